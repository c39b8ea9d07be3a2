import type { AttemptFactor, AttemptPolicy } from '../attempts/attempt-policy.js';
import type { TrustedDevice } from '../devices/device.js';
import type { LastChange } from '../audit/audit.store.js';
import type { AccountSnapshot, CredentialRows, MfaAccount, VerificationSnapshot } from './account.js';

type ChangedField = 'securityStamp' | 'activeFactors' | 'pendingId' | 'backupSetId' | 'mustEnrollSinceMs' | 'recovery';

/** The fields of the account row that `commit` may change. Fields that are left out stay unchanged. */
export type AccountChange = Partial<Pick<MfaAccount, ChangedField>> & {
  /** The event of the change, for the audit table. `commit` first copies an earlier one that is not in the table yet. */
  // S121
  lastChange?: LastChange;
};

/** The account that a login reads. */
export interface LoginSnapshot {
  /** `null` = the user has no MFA account. */
  snapshot: AccountSnapshot | null;
  /** Whether an account with the same id in lower case exists. To this module it is another user. */
  otherCase: boolean;
  /** When the user was first seen under the given policy. `null` = never, no policy given, or no MFA account. */
  policySeenAtMs: number | null;
  /** The device of this user with the given lookup hash. `null` = none, no hash given, or no MFA account. */
  device: TrustedDevice | null;
}

/** What else a read with credential rows asks for. */
export interface RowsClaim {
  /** Whether the mfa_token with this id is spent. */
  tokenId?: string | undefined;
  /** SHA-256 (hex) of the id of the one passkey to read. */
  credentialHash?: string | undefined;
}

/** An attempt to count, before its code is evaluated. */
export interface AttemptReservation {
  userId: string;
  /** The attempt is counted only if this is still the security stamp of the account. */
  securityStamp: number;
  factor: AttemptFactor;
  policy: AttemptPolicy;
  nowMs: number;
}

/** Storage port of the account row. Every method is one statement unless its docstring differs. */
export abstract class MfaAccountStore {
  /**
   * Reads the account with its authenticators. Returns `null` if the user has no MFA account. With `tokenId`, it also
   * reads whether that mfa_token is spent. A row counts only if its user id is `===` to the given one.
   */
  // S42
  abstract load(userId: string, tokenId?: string): Promise<AccountSnapshot | null>;

  /** Reads only the security stamp of the account; the cheapest read. `null` = the user has no MFA account. */
  abstract securityStampOf(userId: string): Promise<number | null>;

  /**
   * Like {@link load}, for a user whose first factor was right. The same statement also looks for an account with the id
   * in lower case. With `policyId`, it also reads when the user was first seen under that policy. With `deviceLookupHash`,
   * it also reads the device of this user with that lookup hash, whether or not it is still trusted.
   */
  // S78, S101, S113
  abstract loadForLogin(userId: string, policyId?: string, deviceLookupHash?: string): Promise<LoginSnapshot>;

  /** Reads the accounts of up to 500 users, with their authenticators, in any order. Users without an account are left out. */
  abstract loadMany(userIds: readonly string[]): Promise<AccountSnapshot[]>;

  /**
   * Like {@link load}, with rows of that kind instead of the authenticators, and none of any other kind. `passkeys` reads
   * the passkeys of this user, or the one of them that has `credentialHash`.
   */
  // S81
  abstract loadWith(rows: CredentialRows, userId: string, claim?: RowsClaim): Promise<VerificationSnapshot | null>;

  /** Inserts an empty row if there is none. `securityStamp` and `rowVersion` start at `nowMs`. Safe in parallel. */
  abstract open(userId: string, nowMs: number): Promise<void>;

  /** Applies the change and raises `rowVersion`, if `rowVersion` is still current. `false` = another change was first; load again. */
  abstract commit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean>;

  /** Like `commit`, but throws `MFA_BUSY` after the statement timeout. `commit` waits as long as the database needs. */
  abstract tryCommit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean>;

  /**
   * Counts an attempt as failed before it is evaluated. Returns `false` and changes nothing if the factor is locked, over
   * its daily cap or disabled, or if the security stamp has changed.
   */
  // S50
  abstract reserve(reservation: AttemptReservation): Promise<boolean>;

  /**
   * Records a success: sets the failures to 0, ends the lock, gives this one attempt back to the daily cap, and ends a
   * live recovery code. Call it once for an attempt that `reserve` counted; another call would refill the daily cap.
   */
  // S54, S104
  abstract settle(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void>;

  /**
   * Takes back one reservation and the lock that it caused, because the code was not evaluated, or was right but already
   * spent. Call it once for an attempt that `reserve` counted.
   */
  // S70
  abstract release(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void>;

  /** Sets the failures of a factor to 0 and ends its lock, because its secret or codes were replaced. The daily cap stays. */
  // S51
  abstract endFailures(userId: string, factor: AttemptFactor): Promise<void>;

  /** Ends a live recovery code, because a proof that costs no attempt was accepted. */
  // S104
  abstract endRecovery(userId: string): Promise<void>;

  /** Ends the locks of every factor. Failures and daily caps stay, so the user gets no more attempts. */
  // S51
  abstract endLocks(userId: string): Promise<void>;

  /** Clears failures, locks and daily caps of every factor. */
  abstract clearBudgets(userId: string): Promise<void>;

  /**
   * Sets the WebAuthn user handle, if the account has none. Returns the handle that the account has then. One statement
   * if it had none, else two.
   * @throws MfaError `MFA_BUSY` if the account was removed in the meantime
   */
  abstract claimUserHandle(userId: string, handle: string): Promise<string>;

  /** Raises the security stamp, which makes all mfa_tokens of the user invalid, and drops a pending setup. */
  abstract invalidate(userId: string): Promise<void>;

  /**
   * Removes the row itself. Where `rowVersion` is given and no longer current, it returns `false` and changes nothing:
   * another change was first.
   */
  abstract remove(userId: string, rowVersion?: number): Promise<boolean>;
}
