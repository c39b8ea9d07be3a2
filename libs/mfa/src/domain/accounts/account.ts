import type { BackupCode } from '../backup-codes/backup-code.js';
import type { AttemptBudget, AttemptFactor } from '../attempts/attempt-policy.js';
import { activeIdsOf, type ActiveFactor } from './active-factors.js';
import type { Authenticator } from '../authenticators/authenticator.js';

/**
 * A user's one row: what is live, and the attempt budgets. It is the root that every change of
 * several rows switches over in one conditional write; rows it does not name are garbage.
 */
export interface MfaAccount {
  userId: string;
  /** Rises whenever outstanding mfa_tokens must die. Starts at the time of creation, so that a purged and re-created account never repeats one. */
  // S43
  securityStamp: number;
  /** Rises with every change of the fields below: the compare-and-swap value of `commit`. */
  rowVersion: number;
  /** Confirmed authenticators, oldest first. Not empty = MFA is enabled, whatever their rows say. */
  // S43a
  activeFactors: readonly ActiveFactor[];
  /** The authenticator whose confirmation is awaited. */
  pendingId: string | null;
  /** The set of backup codes that counts; codes of other sets are dead. */
  backupSetId: string | null;
  budgets: Readonly<Record<AttemptFactor, AttemptBudget>>;
}

/** An account with its authenticators, read by one statement. */
export interface AccountSnapshot {
  account: MfaAccount;
  /** Rows of this user, live or not: filter by {@link activeAuthenticators}. */
  authenticators: readonly Authenticator[];
  /** Codes of the account's live backup set that are not spent. */
  backupCodesRemaining: number;
  /** Whether the mfa_token that `load` was asked about is spent; false when it was not asked. */
  tokenSpent: boolean;
}

/** The account with what one factor needs, read by one statement. */
export interface VerificationSnapshot extends AccountSnapshot {
  /** The codes of the live set, used ones included; read for a backup code only, as `authenticators` are for TOTP. */
  backupCodes: readonly BackupCode[];
}

/**
 * Whether MFA is enabled for the user: the account names a live factor, of any type.
 * Only `null` means that there is no account. A value that is not a snapshot throws.
 */
// S43a, S45
export function isEnabled<T extends Pick<AccountSnapshot, 'account'>>(
  snapshot: T | null,
): snapshot is T & { account: { activeFactors: readonly [ActiveFactor, ...ActiveFactor[]] } } {
  return snapshot !== null && snapshot.account.activeFactors.length > 0;
}

/** Whether the account names this TOTP authenticator as live. */
export function isActive({ activeFactors }: MfaAccount, authenticatorId: string): boolean {
  return activeIdsOf('totp', activeFactors).includes(authenticatorId);
}

/** The confirmed TOTP authenticators, in the account's order. */
export function activeAuthenticators({ account, authenticators }: AccountSnapshot): Authenticator[] {
  const ids = activeIdsOf('totp', account.activeFactors);
  return authenticators.filter(({ id }) => ids.includes(id)).sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

/** The authenticator awaiting its first code, or `null` when there is none or it expired. */
// S18
export function pendingAuthenticator(snapshot: AccountSnapshot, nowMs: number): Authenticator | null {
  const pending = snapshot.authenticators.find(({ id }) => id === snapshot.account.pendingId);
  return pending?.expiresAtMs != null && nowMs < pending.expiresAtMs ? pending : null;
}
