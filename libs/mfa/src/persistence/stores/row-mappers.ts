import { ATTEMPT_FACTORS, type AttemptBudget, type AttemptFactor } from '../../domain/attempts/attempt-policy.js';
import {
  type MfaAccount,
  type RecoveryCode,
  type VerificationSnapshot,
  parseActiveFactors,
} from '../../domain/accounts/account.js';
import type { Authenticator, TotpAlgorithm } from '../../domain/authenticators/authenticator.js';
import type { BackupCode } from '../../domain/backup-codes/backup-code.js';
import type { TrustedDevice } from '../../domain/devices/device.js';
import type { Passkey } from '../../domain/passkeys/passkey.js';
import { misunderstood } from '../statements/statement-runner.js';
import type { SnapshotParams } from './account-sql.js';

/** Whose snapshot, and of what. */
export interface SnapshotClaim extends Pick<SnapshotParams, 'rows'> {
  userId: string;
  tokenId?: string;
  credentialHash?: string;
}

/** A row as the driver returns it. `bigint` is a string on PostgreSQL and MySQL. */
export type Row = Record<string, unknown>;

export const optionalNumber = (value: unknown): number | null => (value === null ? null : Number(value));

/** The snapshot that `snapshotQuery` read, or `null` when the account does not exist. */
export function toSnapshot(
  records: readonly Row[],
  { userId, rows: kind }: SnapshotClaim,
): VerificationSnapshot | null {
  const rows = rowsOf(userId, records);
  const [first] = rows;
  if (!first) return null;
  const credentials = rows.filter(({ id }) => id !== null);
  return {
    account: toAccount(first),
    authenticators: kind === 'authenticators' ? credentials.map((row) => toAuthenticator(row, userId)) : [],
    backupCodes: kind === 'backup codes' ? credentials.map(toBackupCode) : [],
    passkeys: kind === 'passkeys' ? credentials.map((row) => toPasskey(row, userId)) : [],
    backupCodesRemaining: Number(first.backup_codes_remaining),
    tokenSpent: Number(first.token_spent) === 1,
  };
}

/**
 * The rows of exactly this user. Rows of a user whose id the database takes for equal are left out: MariaDB pads
 * with spaces even in a binary collation, and a query may look for another case. Any other row was not asked for, so
 * the driver changed what it read, and "no row" would be a wrong conclusion: `MFA_MISCONFIGURED`.
 */
// S42, S43a
export function rowsOf(userId: string, records: readonly Row[]): Row[] {
  return records.filter(({ user_id }) => {
    if (user_id === userId) return true;
    if (typeof user_id === 'string' && folded(user_id) === folded(userId)) return false;
    throw misunderstood('a user id that is not the one that was asked for');
  });
}

const folded = (id: string): string => id.replace(/ +$/, '').toLowerCase();

export function toAccount(row: Row): MfaAccount {
  return {
    ...toListed(row),
    securityStamp: Number(row.security_stamp),
    rowVersion: Number(row.row_version),
    pendingId: row.pending_id as string | null,
    backupSetId: row.backup_set_id as string | null,
    userHandle: row.user_handle as string | null,
    recovery: toRecovery(row),
  };
}

/** What the lists of administrators show of an account. */
export function toListed(row: Row): Pick<MfaAccount, 'userId' | 'activeFactors' | 'budgets' | 'mustEnrollSinceMs'> {
  if (typeof row.active_ids !== 'string') throw misunderstood('a list of authenticators that is not a string');
  const budgets = ATTEMPT_FACTORS.map((factor) => [factor, toBudget(row, factor)]);
  return {
    userId: row.user_id as string,
    activeFactors: parseActiveFactors(row.active_ids),
    mustEnrollSinceMs: optionalNumber(row.must_enroll_since),
    budgets: Object.fromEntries(budgets) as Record<AttemptFactor, AttemptBudget>,
  };
}

function toRecovery({ recovery_hash: hash, recovery_expires_at: expiresAt }: Row): RecoveryCode | null {
  return typeof hash === 'string' && expiresAt !== null ? { hash, expiresAtMs: Number(expiresAt) } : null;
}

function toBudget(row: Row, factor: AttemptFactor): AttemptBudget {
  return {
    failures: Number(row[`${factor}_failures`]),
    lockedUntilMs: Number(row[`${factor}_locked_until`]),
    dailyTatMs: Number(row[`${factor}_daily_tat`]),
  };
}

export function toAuthenticator(row: Row, userId: string): Authenticator {
  return {
    id: row.id as string,
    userId,
    name: row.name as string,
    secret: row.secret as string,
    algorithm: row.algorithm as TotpAlgorithm,
    digits: Number(row.digits),
    periodSeconds: Number(row.period_seconds),
    createdAtMs: Number(row.created_at),
    confirmedAtMs: optionalNumber(row.confirmed_at),
    lastUsedAtMs: optionalNumber(row.last_used_at),
    expiresAtMs: optionalNumber(row.expires_at),
    setupBinding: row.setup_binding as string | null,
  };
}

export function toPasskey(row: Row, userId: string): Passkey {
  const transports = row.transports as string;
  return {
    id: row.id as string,
    userId,
    credentialId: row.credential_id as string,
    credentialHash: row.credential_hash as string,
    publicKey: row.public_key as string,
    counter: Number(row.counter),
    transports: transports === '' ? [] : transports.split(','),
    backupEligible: Number(row.backup_eligible) === 1,
    backedUp: Number(row.backed_up) === 1,
    userVerified: Number(row.user_verified) === 1,
    aaguid: row.aaguid as string,
    name: row.name as string,
    createdAtMs: Number(row.created_at),
    lastUsedAtMs: optionalNumber(row.last_used_at),
    expiresAtMs: optionalNumber(row.expires_at),
  };
}

export function toBackupCode(row: Row): BackupCode {
  return {
    id: row.id as string,
    userId: row.user_id as string,
    setId: row.set_id as string,
    hash: row.hash as string,
    usedAtMs: optionalNumber(row.used_at),
    expiresAtMs: optionalNumber(row.expires_at),
  };
}

/** The device of a row with `DEVICE_COLUMNS`. */
export function toDevice(row: Row): TrustedDevice {
  return {
    id: row.d_id as string,
    userId: row.d_user_id as string,
    kind: row.d_kind as TrustedDevice['kind'],
    lookupHash: row.d_lookup_hash as string,
    secretHash: row.d_secret_hash as string,
    previousHash: row.d_previous_hash as string | null,
    rotatedAtMs: optionalNumber(row.d_rotated_at),
    keyId: row.d_key_id as string,
    securityStamp: Number(row.d_security_stamp),
    credentialVersion: row.d_credential_version as string,
    method: row.d_method as string,
    label: row.d_label as string,
    createdAtMs: Number(row.d_created_at),
    lastUsedAtMs: Number(row.d_last_used_at),
    expiresAtMs: Number(row.d_expires_at),
    mfaAtMs: Number(row.d_mfa_at),
  };
}
