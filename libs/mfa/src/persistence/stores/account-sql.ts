import {
  dailyInterval,
  dailyTolerance,
  latestLock,
  latestTat,
  lockLadder,
} from '../../domain/attempts/attempt-budget.js';
import type { CredentialRows } from '../../domain/accounts/account.js';
import { ATTEMPT_FACTORS, type AttemptFactor, type AttemptPolicy } from '../../domain/attempts/attempt-policy.js';
import {
  MfaAccountEntity,
  MfaAuthenticatorEntity,
  MfaBackupCodeEntity,
  MfaDeviceEntity,
  MfaPasskeyEntity,
  MfaPolicySeenEntity,
  MfaUsageEntity,
} from '../entities/index.js';
import { join, literal, raw, Slot, type Sql, sql, type SqlDialect, type SqlPart } from '../statements/sql.js';
import { DEVICE_COLUMNS } from './device-sql.js';
import { PASSKEY_COLUMNS } from './passkey-sql.js';

/**
 * Ends a read of the account within a write to another table. The account stays as it was found until the write is committed:
 * a change of the account waits for it, or the write finds the change.
 */
export const LOCKING_ACCOUNT = { postgres: raw('FOR SHARE'), mysql: raw('LOCK IN SHARE MODE'), sqlite: raw('') };

/** An attempt in the terms of one factor's columns. */
export interface BudgetParams {
  factor: AttemptFactor;
  policy: AttemptPolicy;
  nowMs: number | Slot;
}

/** The columns of one factor's budget. */
export function budgetColumns(factor: AttemptFactor): Record<'failures' | 'lockedUntil' | 'dailyTat', Sql> {
  return {
    failures: raw(`${factor}_failures`),
    lockedUntil: raw(`${factor}_locked_until`),
    dailyTat: raw(`${factor}_daily_tat`),
  };
}

export const BUDGET_COLUMNS = ATTEMPT_FACTORS.flatMap((factor) => Object.values(budgetColumns(factor)));

/** Assignments that set every budget to 0. */
export const NO_BUDGETS = join(
  [...BUDGET_COLUMNS, raw('locked_until'), raw('most_failures')].map((column) => sql`${column} = 0`),
);

/**
 * Assignments of the two columns that the lists of administrators read: the latest lock, and the most failures from two on.
 * One failure counts as none, so that a right code changes no index. The assignments come first: MySQL evaluates SET from
 * left to right.
 * @param next what the counters of this factor become
 */
function summarising(
  factor: AttemptFactor,
  next: Record<'failures' | 'lockedUntil', Sql>,
  { greatest }: SqlDialect,
): Sql {
  const others = ATTEMPT_FACTORS.filter((each) => each !== factor).map(budgetColumns);
  const greatestOf = (column: 'failures' | 'lockedUntil') =>
    sql`${greatest}(${next[column]}, ${join(others.map((each) => each[column]))})`;
  return sql`locked_until = ${greatestOf('lockedUntil')},
    most_failures = CASE WHEN ${greatestOf('failures')} > 1 THEN ${greatestOf('failures')} ELSE 0 END`;
}

/** Assignments that count one attempt as failed. `failures` comes last: MySQL evaluates SET from left to right. */
export function reserving({ factor, policy, nowMs }: BudgetParams, dialect: SqlDialect): Sql {
  const { failures, lockedUntil, dailyTat } = budgetColumns(factor);
  const now = after(nowMs, 0, dialect);
  const lock = lockAfter({ factor, policy, nowMs }, dialect);
  return sql`${summarising(factor, { failures: sql`${failures} + 1`, lockedUntil: lock }, dialect)},
    ${lockedUntil} = ${lock},
    ${dailyTat} = CASE WHEN ${dailyTat} > ${now} AND ${dailyTat} <= ${after(nowMs, latestTat(policy, 0), dialect)}
      THEN ${dailyTat} ELSE ${now} END + ${literal(dailyInterval(policy))},
    ${failures} = ${failures} + 1`;
}

/**
 * Whether the factor is neither locked nor over its daily cap nor disabled. A copy that an unfinished move makes verifies
 * nothing, or a code would be accepted at both user ids.
 */
// S123
export function budgetOpen({ factor, policy, nowMs }: BudgetParams, dialect: SqlDialect): Sql {
  const { failures, lockedUntil, dailyTat } = budgetColumns(factor);
  const from = (ms: number) => after(nowMs, ms, dialect);
  return sql`${failures} < ${literal(policy.disableAfter)} AND moved_from IS NULL
    AND (${lockedUntil} <= ${from(0)} OR ${lockedUntil} > ${from(latestLock(policy, 0))})
    AND (${dailyTat} <= ${from(dailyTolerance(policy))} OR ${dailyTat} > ${from(latestTat(policy, 0))})`;
}

/** The time `ms` milliseconds after now. The cast gives PostgreSQL the type of the parameter. */
function after(nowMs: BudgetParams['nowMs'], ms: number, { integer }: SqlDialect): Sql {
  return sql`CAST(${nowMs} AS ${integer}) + ${literal(ms)}`;
}

/**
 * Assignments after a success: failures and lock end, the daily cap gets this one attempt back, and a recovery code ends.
 * @param codesLeft the number of unspent backup codes after a backup code was spent
 */
export function settling({ factor, policy }: Omit<BudgetParams, 'nowMs'>, codesLeft: Sql, dialect: SqlDialect): Sql {
  const counting = factor === 'backup_code' ? sql`, backup_codes_left = ${codesLeft}` : sql``;
  return sql`${endingFailures(factor, dialect)}, ${refunding(factor, policy)}, ${ENDING_RECOVERY}${counting}`;
}

/** The number of unspent codes in a set. */
export function unspentCodes(userId: SqlPart, setId: SqlPart): Sql {
  return sql`(SELECT COUNT(*) FROM ${MfaBackupCodeEntity} b WHERE b.user_id = ${userId}
        AND b.set_id = ${setId} AND NOT EXISTS (SELECT 1 FROM ${MfaUsageEntity} s
          WHERE s.user_id = b.user_id AND s.kind = 'backup_code' AND s.item = b.id))`;
}

/**
 * The number of unspent codes of the account of this user. NULL = MFA is off. An UPDATE on PostgreSQL that waited for the row
 * counts as of its start, so there a verification subtracts one instead.
 */
export function codesLeftOf(userId: string): Sql {
  return sql`CASE WHEN active_ids = '' THEN NULL ELSE ${unspentCodes(userId, raw('backup_set_id'))} END`;
}

/** Assignments that end a live recovery code. */
// S104
export const ENDING_RECOVERY = raw('recovery_hash = NULL, recovery_expires_at = NULL');

/** Assignments that end failures and lock, and leave the daily cap. */
export function endingFailures(factor: AttemptFactor, dialect: SqlDialect): Sql {
  const { failures, lockedUntil } = budgetColumns(factor);
  const none = raw('0');
  return sql`${summarising(factor, { failures: none, lockedUntil: none }, dialect)}, ${failures} = 0, ${lockedUntil} = 0`;
}

/** The assignment that gives the daily cap one attempt back. */
function refunding(factor: AttemptFactor, policy: AttemptPolicy): Sql {
  const { dailyTat } = budgetColumns(factor);
  const interval = literal(dailyInterval(policy));
  return sql`${dailyTat} = CASE WHEN ${dailyTat} > ${interval} THEN ${dailyTat} - ${interval} ELSE 0 END`;
}

/** Assignments that take one open reservation back, with the lock that it brought. */
export function releasing(factor: AttemptFactor, policy: AttemptPolicy, dialect: SqlDialect): Sql {
  const { failures, lockedUntil } = budgetColumns(factor);
  const lock = sql`CASE WHEN ${failures} % ${literal(policy.maxFailures)} = 0 THEN 0 ELSE ${lockedUntil} END`;
  const fewer = sql`CASE WHEN ${failures} > 0 THEN ${failures} - 1 ELSE 0 END`;
  // `failures` comes last, as in `reserving`.
  return sql`
    ${summarising(factor, { failures: fewer, lockedUntil: lock }, dialect)},
    ${lockedUntil} = ${lock}, ${refunding(factor, policy)}, ${failures} = ${fewer}`;
}

/** Whether the mfa_token of the account `a` is spent. */
export function tokenIsSpent(tokenId: string | Slot): Sql {
  return sql`EXISTS (SELECT 1 FROM ${MfaUsageEntity} u
    WHERE u.user_id = a.user_id AND u.kind = 'token' AND u.item = ${tokenId})`;
}

export interface SnapshotParams {
  /** One user, or a list of them that is not empty. */
  userId: string | Slot | readonly string[];
  /** Where given, the rows of this user are read too. */
  // S78
  lowerCaseId?: string | Slot;
  tokenId?: string | Slot;
  /** What is read with the account, a row for each. */
  rows: CredentialRows;
  /** For `passkeys`: only the one of this user with this hash. */
  credentialHash?: string | Slot;
  /** Where given, the time at which the user was first seen under this policy is read too. */
  // S101
  policyId?: string | Slot;
  /** Where given, the device of the user with this lookup hash is read too. Only with `authenticators`. */
  // S113
  deviceLookupHash?: string | Slot;
  /** A further column of every row. */
  further?: Sql;
}

/** The account `a` with the rows of one kind, each as `t`. */
export function snapshotQuery({ userId, lowerCaseId, tokenId, rows, ...params }: SnapshotParams): Sql {
  const { credentialHash, policyId, deviceLookupHash, further } = params;
  const policySeen = policyId === undefined ? sql`` : sql`${policySeenAt(policyId)} AS policy_seen_at,`;
  const device = deviceLookupHash === undefined ? NO_DEVICE : withDevice(deviceLookupHash);
  const tokenSpent = tokenId === undefined ? raw('0') : sql`CASE WHEN ${tokenIsSpent(tokenId)} THEN 1 ELSE 0 END`;
  const ids = typeof userId === 'string' || userId instanceof Slot ? [userId] : userId;
  const all = lowerCaseId === undefined ? ids : [...ids, lowerCaseId];
  const theUser = all.length === 1 ? sql`a.user_id = ${join(all)}` : sql`a.user_id IN (${join(all)})`;
  return sql`
    SELECT a.user_id, a.security_stamp, a.row_version, a.active_ids, a.pending_id, a.backup_set_id, a.user_handle,
      a.must_enroll_since, a.recovery_hash, a.recovery_expires_at,
      ${join(BUDGET_COLUMNS)}, ${tokenSpent} AS token_spent, ${further ? sql`${further},` : sql``}${policySeen}${device.columns}
      ${unspentCodes(raw('a.user_id'), raw('a.backup_set_id'))} AS backup_codes_remaining,
      ${credentialRows(rows, credentialHash)} ${device.from}WHERE ${theUser} ORDER BY ${device.order}`;
}

const NO_DEVICE = { columns: sql``, from: sql``, order: raw('id') };

/** The device `d` of the account `a`, on each of its rows. It has an `id` too, so the order names the table. */
function withDevice(lookupHash: string | Slot): typeof NO_DEVICE {
  return {
    columns: sql`${DEVICE_COLUMNS},`,
    from: sql`LEFT JOIN ${MfaDeviceEntity} d ON d.user_id = a.user_id AND d.lookup_hash = ${lookupHash} `,
    order: raw('t.id'),
  };
}

/** When the user of the account `a` was first seen under the policy. */
function policySeenAt(policyId: string | Slot): Sql {
  return sql`(SELECT p.first_seen_at FROM ${MfaPolicySeenEntity} p
    WHERE p.user_id = a.user_id AND p.policy_id = ${policyId})`;
}

/** The columns of the rows `t`, and where they come from. A row without a credential has the id NULL. */
function credentialRows(rows: CredentialRows, credentialHash: SnapshotParams['credentialHash']): Sql {
  if (rows === 'authenticators') return AUTHENTICATORS;
  if (rows === 'backup codes') return BACKUP_CODES;
  if (rows === 'none') return sql`NULL AS id FROM ${MfaAccountEntity} a`;
  return sql`${PASSKEY_COLUMNS} FROM ${MfaAccountEntity} a
    LEFT JOIN ${MfaPasskeyEntity} t ON t.user_id = a.user_id
      ${credentialHash === undefined ? sql`` : sql`AND t.credential_hash = ${credentialHash}`}`;
}

/** The security stamp of the account, by its primary key alone. */
export function securityStampQuery({ userId }: { userId: string | Slot }): Sql {
  return sql`SELECT user_id, security_stamp FROM ${MfaAccountEntity} WHERE user_id = ${userId}`;
}

const AUTHENTICATORS = sql`t.id, t.name, t.secret, t.algorithm, t.digits, t.period_seconds,
    t.created_at, t.confirmed_at, t.last_used_at, t.expires_at, t.setup_binding
  FROM ${MfaAccountEntity} a LEFT JOIN ${MfaAuthenticatorEntity} t ON t.user_id = a.user_id`;

const BACKUP_CODES = sql`t.id, t.set_id, t.hash, t.used_at, t.expires_at
  FROM ${MfaAccountEntity} a
  LEFT JOIN ${MfaBackupCodeEntity} t ON t.user_id = a.user_id AND t.set_id = a.backup_set_id`;

/** The lock that begins if this attempt fails: {@link lockLadder} at `failures + 1`. */
function lockAfter({ factor, policy, nowMs }: BudgetParams, dialect: SqlDialect): Sql {
  const { failures } = budgetColumns(factor);
  const rungs = lockLadder(policy).map(
    ({ atFailures, lockMs }) =>
      sql`WHEN ${failures} + 1 = ${literal(atFailures)} THEN ${after(nowMs, lockMs, dialect)}`,
  );
  return sql`CASE ${join(rungs, ' ')}
    WHEN (${failures} + 1) % ${literal(policy.maxFailures)} = 0 THEN ${after(nowMs, policy.maxLockMs, dialect)}
    ELSE 0 END`;
}
