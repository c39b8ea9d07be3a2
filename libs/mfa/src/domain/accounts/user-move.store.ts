import type { AttemptBudget, AttemptFactor } from '../attempts/attempt-policy.js';
import type { Authenticator } from '../authenticators/authenticator.js';
import type { BackupCode } from '../backup-codes/backup-code.js';
import type { SpentEntry } from '../usage/usage.js';
import type { ActiveFactor, MfaAccount } from './account.js';

/** The account to which a move goes, as far as a move and a purge must know it. */
export interface MoveTarget {
  securityStamp: number;
  rowVersion: number;
  activeFactors: readonly ActiveFactor[];
  /** The user id from which an unfinished move copies this account. Its own id = a purge reserves it. `null` = none. */
  movedFrom: string | null;
}

/** A new account with the factors of the old one, or one that reserves its id for a purge. */
export type MovedAccount = Omit<MfaAccount, 'pendingId' | 'recovery'> & { movedFrom: string };

/** When the user was first seen under a policy. */
export interface CopiedSighting {
  policyId: string;
  firstSeenAtMs: number;
}

/** Storage port of a move to another user id. A row that exists already is left as it is, so each call can be repeated. */
// S123
export abstract class MfaUserMoveStore {
  /** `null` = the user has no MFA account. One statement. */
  abstract find(userId: string): Promise<MoveTarget | null>;

  /** Inserts authenticators that do not exist. One statement for each. */
  abstract copyAuthenticators(rows: readonly Authenticator[]): Promise<void>;

  /** Inserts backup codes that do not exist. One statement for each. */
  abstract copyBackupCodes(rows: readonly BackupCode[]): Promise<void>;

  /** Inserts spent entries that do not exist. One statement for each. */
  abstract copyUsage(userId: string, entries: readonly SpentEntry[]): Promise<void>;

  /**
   * Inserts sightings that do not exist, and gives the ones that exist the earlier time. One statement for each, two where one
   * exists.
   * @returns whether this call wrote the last one. Of parallel calls with the same sightings, one did
   */
  // S101
  abstract copySightings(userId: string, sightings: readonly CopiedSighting[]): Promise<boolean>;

  /** Inserts the account. Returns `false` if the user has one. One statement. */
  abstract open(account: MovedAccount): Promise<boolean>;

  /**
   * Raises failures, locks and daily caps of the new account to at least these, while it is an unfinished copy of the old one.
   * One statement.
   */
  // S54
  abstract raiseBudgets(
    userId: string,
    movedFrom: string,
    budgets: Readonly<Record<AttemptFactor, AttemptBudget>>,
  ): Promise<void>;

  /** Sets all budgets of the old account to 0, while it is this tombstone. One statement. */
  // S50
  abstract clearTombstone(tombstone: Pick<MfaAccount, 'userId' | 'activeFactors'>): Promise<void>;

  /** Gives every passkey of one user to another, while the new account is an unfinished copy of the old one. One statement. */
  abstract movePasskeys(from: string, to: string): Promise<void>;

  /** Ends the move: the account is like any other from then on. One statement. */
  abstract end(userId: string, movedFrom: string): Promise<void>;
}
