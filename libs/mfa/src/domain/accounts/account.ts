import type { AttemptBudget, AttemptFactor } from '../attempts/attempt-policy.js';
import type { Authenticator } from '../authenticators/authenticator.js';
import type { BackupCode } from '../backup-codes/backup-code.js';
import type { Passkey } from '../passkeys/passkey.js';

/**
 * The account row of a user: the ids of the active rows, and the attempt budgets. A change of several rows is committed by
 * one conditional write of this row. A row that the account does not name has no effect, and the cleanup removes it.
 */
export interface MfaAccount {
  userId: string;
  /** Raised when all mfa_tokens must become invalid. Starts at the creation time, so a re-created account never repeats a value. */
  // S43
  securityStamp: number;
  /** Raised by every change of the fields below. `commit` compares it (compare-and-swap). */
  rowVersion: number;
  /** Confirmed factors, oldest first. Not empty = MFA is enabled, also if a row of a factor is missing or unreadable. */
  // S43a
  activeFactors: readonly ActiveFactor[];
  /** The authenticator that is set up and not confirmed yet. `null` = none. */
  pendingId: string | null;
  /** The current set of backup codes. Codes of other sets are refused. `null` = none. */
  backupSetId: string | null;
  /**
   * The WebAuthn user handle: 64 random bytes in base64url (86 characters). It stays when MFA is disabled or reset.
   * `null` until the first passkey setup.
   */
  userHandle: string | null;
  /** Since when the next login must be an enrollment: an administrator has reset the factors. A confirmation sets it to `null`. */
  // S102
  mustEnrollSinceMs: number | null;
  /** The recovery code that an administrator issued. Any accepted proof ends it. `null` = none. */
  // S104
  recovery: RecoveryCode | null;
  budgets: Readonly<Record<AttemptFactor, AttemptBudget>>;
}

/** A live recovery code. It may be expired. */
export interface RecoveryCode {
  /** At most 128 characters. */
  hash: string;
  expiresAtMs: number;
}

/** An account with its authenticators, read by one statement. */
export interface AccountSnapshot {
  account: MfaAccount;
  /** All rows of this user, also pending and removed ones. Filter them with {@link activeAuthenticators}. */
  authenticators: readonly Authenticator[];
  /** Number of unspent codes in the current set of backup codes. */
  backupCodesRemaining: number;
  /** Whether the mfa_token with the given `tokenId` is spent. `false` without a `tokenId`. */
  tokenSpent: boolean;
}

/** The rows that are read with the account. `none` = the factor keeps its credentials in a table of the host. */
export type CredentialRows = 'authenticators' | 'backup codes' | 'passkeys' | 'none';

/** The account with the rows that one factor needs, read by one statement. */
export interface VerificationSnapshot extends AccountSnapshot {
  /** The codes of the current set, also used ones. Read only for a backup code; `authenticators` are read only for TOTP. */
  backupCodes: readonly BackupCode[];
  /** The passkeys of the user, or the one that was asked for; also removed ones. Empty if another factor's rows were read. */
  passkeys: readonly Passkey[];
}

/**
 * Whether MFA is enabled for the user: the account names at least one confirmed factor, of any type. `null` = no account.
 * Any other value that is not a snapshot throws.
 */
// S43a, S45
export function isEnabled<T extends Pick<AccountSnapshot, 'account'>>(
  snapshot: T | null,
): snapshot is T & { account: { activeFactors: readonly [ActiveFactor, ...ActiveFactor[]] } } {
  return snapshot !== null && snapshot.account.activeFactors.length > 0;
}

/** Whether this TOTP authenticator is confirmed. */
export function isActive({ activeFactors }: MfaAccount, authenticatorId: string): boolean {
  return activeIdsOf('totp', activeFactors).includes(authenticatorId);
}

/** The confirmed factor with this id, of any type. */
export function activeFactorOf({ activeFactors }: MfaAccount, id: string): ActiveFactor | undefined {
  return activeFactors.find((factor) => factor.id === id);
}

/** The confirmed TOTP authenticators, in the account's order. */
export function activeAuthenticators({ account, authenticators }: AccountSnapshot): Authenticator[] {
  const ids = activeIdsOf('totp', account.activeFactors);
  return authenticators.filter(({ id }) => ids.includes(id)).sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

/** The authenticator that is not confirmed yet. `null` = none, or its setup expired. */
// S18
export function pendingAuthenticator(snapshot: AccountSnapshot, nowMs: number): Authenticator | null {
  const pending = snapshot.authenticators.find(({ id }) => id === snapshot.account.pendingId);
  return pending?.expiresAtMs != null && nowMs < pending.expiresAtMs ? pending : null;
}

/** A confirmed factor, as the account row names it. */
export interface ActiveFactor {
  /** `totp`, `passkey`, or the `type` of a factor of the host. */
  type: string;
  id: string;
}

/** Parses `type:id` entries that are separated by commas. Unknown types are kept, so MFA stays required for them. */
export function parseActiveFactors(text: string): ActiveFactor[] {
  if (text === '') return [];
  return text.split(',').map((entry) => {
    const colon = entry.indexOf(':');
    return { type: entry.slice(0, Math.max(colon, 0)), id: entry.slice(colon + 1) };
  });
}

/** The inverse of {@link parseActiveFactors}. */
export function formatActiveFactors(factors: readonly ActiveFactor[]): string {
  return factors.map(({ type, id }) => `${type}:${id}`).join(',');
}

/** The ids of the confirmed factors of one type, oldest first. */
export function activeIdsOf(type: string, factors: readonly ActiveFactor[]): string[] {
  return factors.filter((factor) => factor.type === type).map(({ id }) => id);
}

/**
 * Converts a user id of the host to the string that is stored. Returns `null` for an unusable id: empty, over 255
 * characters, with outer white space (MariaDB ignores it in comparisons), with NUL, or not well-formed Unicode.
 */
export function toUserId(id: unknown): string | null {
  if (typeof id === 'number') return Number.isSafeInteger(id) ? String(id) : null;
  if (typeof id !== 'string' || id === '' || id.length > 255) return null;
  return id.trim() === id && !id.includes('\0') && id.isWellFormed() ? id : null;
}

/**
 * Like {@link toUserId}, for an id that the host passes in its own code. An unusable id is then a programming error.
 * @throws TypeError for an unusable id
 */
export function requireUserId(id: unknown, caller: string): string {
  const known = toUserId(id);
  if (known !== null) return known;
  throw new TypeError(
    `${caller}: the user id must be a non-empty string of at most 255 characters without outer white space, or a safe integer`,
  );
}
