import type { AttemptFactor, AttemptPolicy } from '../attempts/attempt-policy.js';
import type { AccountSnapshot, MfaAccount, VerificationSnapshot } from './account.js';

/** The fields of the account row that `commit` may switch over; those left out stay. */
export type AccountChange = Partial<Pick<MfaAccount, 'securityStamp' | 'activeFactors' | 'pendingId' | 'backupSetId'>>;

export interface LoginSnapshot {
  /** `null` when the user never touched MFA. */
  snapshot: AccountSnapshot | null;
  /** Whether there is an account of the same id in lower case, which is another user to this module. */
  otherCase: boolean;
}

export interface AttemptReservation {
  userId: string;
  /** Must still be the account's security stamp. */
  securityStamp: number;
  factor: AttemptFactor;
  policy: AttemptPolicy;
  nowMs: number;
}

/** Storage port of the account row. Every method is one statement unless it says otherwise. */
export abstract class MfaAccountStore {
  /**
   * The account with its authenticators, or `null` when the user never touched MFA. With `tokenId`
   * it also tells whether that mfa_token is spent. A row whose user id is not `===` to the one asked
   * for is no row.
   */
  // S42
  abstract load(userId: string, tokenId?: string): Promise<AccountSnapshot | null>;

  /** The account's security stamp alone, or `null` when there is no account: the cheapest read. */
  abstract securityStampOf(userId: string): Promise<number | null>;

  /**
   * As {@link load}, for the user whose first factor was right. One statement, which also finds an account whose id is
   * this one in lower case.
   */
  // S78
  abstract loadForLogin(userId: string): Promise<LoginSnapshot>;

  /** The accounts of those of the users who have one, with their authenticators; in no order. For up to 500 users. */
  abstract loadMany(userIds: readonly string[]): Promise<AccountSnapshot[]>;

  /** As {@link load}, with the codes of the account's live set in place of the authenticators. */
  abstract loadWithBackupCodes(userId: string, tokenId?: string): Promise<VerificationSnapshot | null>;

  /** Makes the empty row where there is none; `securityStamp` and `rowVersion` start at `nowMs`. Safe in parallel. */
  abstract open(userId: string, nowMs: number): Promise<void>;

  /** Switches over if `rowVersion` is still current, and raises it. `false`: somebody else was first; load again. */
  abstract commit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean>;

  /** As `commit`, for a change that nobody waits for: it is given up at the deadline of statements with `MFA_BUSY`. */
  abstract tryCommit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean>;

  /**
   * Counts an attempt as failed before it is evaluated, unless the factor is locked, over its
   * daily cap or disabled, or the security stamp is another: then `false`, and nothing changes.
   */
  // S50
  abstract reserve(reservation: AttemptReservation): Promise<boolean>;

  /**
   * After a success: consecutive failures and lock end, and the daily cap gets this one attempt back. Call it once for
   * an attempt that `reserve` counted; without one it refills the daily cap.
   */
  // S54
  abstract settle(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void>;

  /**
   * Takes one open reservation back, with the lock that it brought: the code was not evaluated, or it was right and
   * already spent. Call it once for an attempt that `reserve` counted.
   */
  // S70
  abstract release(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void>;

  /** Ends consecutive failures and lock of a factor whose secret or codes were replaced; the daily cap stays. */
  // S51
  abstract endFailures(userId: string, factor: AttemptFactor): Promise<void>;

  /** Ends the locks of every factor; failures and daily caps stay, so that it refills no budget. */
  // S51
  abstract endLocks(userId: string): Promise<void>;

  /** Clears every budget of the user: failures, locks and daily caps. */
  abstract clearBudgets(userId: string): Promise<void>;

  /** Raises the security stamp, so that every outstanding mfa_token of the user dies, and drops a setup that awaits its first code. */
  abstract invalidate(userId: string): Promise<void>;

  /** Removes the row itself. */
  abstract remove(userId: string): Promise<void>;
}
