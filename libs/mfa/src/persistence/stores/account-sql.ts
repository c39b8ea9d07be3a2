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
  MfaPasskeyEntity,
  MfaPolicySeenEntity,
  MfaUsageEntity,
} from '../entities/index.js';
import { join, literal, raw, Slot, type Sql, sql, type SqlDialect } from '../statements/sql.js';
import { PASSKEY_COLUMNS } from './passkey-sql.js';

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

/** Assignments that count one attempt as failed. `failures` comes last: MySQL evaluates SET from left to right. */
export function reserving({ factor, policy, nowMs }: BudgetParams, dialect: SqlDialect): Sql {
  const { failures, lockedUntil, dailyTat } = budgetColumns(factor);
  const now = after(nowMs, 0, dialect);
  return sql`${lockedUntil} = ${lockAfter({ factor, policy, nowMs }, dialect)},
    ${dailyTat} = CASE WHEN ${dailyTat} > ${now} AND ${dailyTat} <= ${after(nowMs, latestTat(policy, 0), dialect)}
      THEN ${dailyTat} ELSE ${now} END + ${literal(dailyInterval(policy))},
    ${failures} = ${failures} + 1`;
}

/** Whether the factor is neither locked nor over its daily cap nor disabled. */
export function budgetOpen({ factor, policy, nowMs }: BudgetParams, dialect: SqlDialect): Sql {
  const { failures, lockedUntil, dailyTat } = budgetColumns(factor);
  const from = (ms: number) => after(nowMs, ms, dialect);
  return sql`${failures} < ${literal(policy.disableAfter)}
    AND (${lockedUntil} <= ${from(0)} OR ${lockedUntil} > ${from(latestLock(policy, 0))})
    AND (${dailyTat} <= ${from(dailyTolerance(policy))} OR ${dailyTat} > ${from(latestTat(policy, 0))})`;
}

/** The time `ms` milliseconds after now. The cast gives PostgreSQL the type of the parameter. */
function after(nowMs: BudgetParams['nowMs'], ms: number, { integer }: SqlDialect): Sql {
  return sql`CAST(${nowMs} AS ${integer}) + ${literal(ms)}`;
}

/**
 * Assignments after a success: failures and lock end, the daily cap gets this one attempt back, and a recovery code ends.
 */
export function settling(factor: AttemptFactor, policy: AttemptPolicy): Sql {
  return sql`${endingFailures(factor)}, ${refunding(factor, policy)}, ${ENDING_RECOVERY}`;
}

/** Assignments that end a live recovery code. */
// S104
export const ENDING_RECOVERY = raw('recovery_hash = NULL, recovery_expires_at = NULL');

/** Assignments that end failures and lock, and leave the daily cap. */
export function endingFailures(factor: AttemptFactor): Sql {
  const { failures, lockedUntil } = budgetColumns(factor);
  return sql`${failures} = 0, ${lockedUntil} = 0`;
}

/** The assignment that gives the daily cap one attempt back. */
function refunding(factor: AttemptFactor, policy: AttemptPolicy): Sql {
  const { dailyTat } = budgetColumns(factor);
  const interval = literal(dailyInterval(policy));
  return sql`${dailyTat} = CASE WHEN ${dailyTat} > ${interval} THEN ${dailyTat} - ${interval} ELSE 0 END`;
}

/** Assignments that take one open reservation back, with the lock that it brought. */
export function releasing(factor: AttemptFactor, policy: AttemptPolicy): Sql {
  const { failures, lockedUntil } = budgetColumns(factor);
  // `failures` comes last, as in `reserving`.
  return sql`
    ${lockedUntil} = CASE WHEN ${failures} % ${literal(policy.maxFailures)} = 0 THEN 0 ELSE ${lockedUntil} END,
    ${refunding(factor, policy)},
    ${failures} = CASE WHEN ${failures} > 0 THEN ${failures} - 1 ELSE 0 END`;
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
  /** A further column of every row. */
  further?: Sql;
}

/** The account `a` with the rows of one kind, each as `t`. */
export function snapshotQuery({ userId, lowerCaseId, tokenId, rows, ...params }: SnapshotParams): Sql {
  const { credentialHash, policyId, further } = params;
  const policySeen = policyId === undefined ? sql`` : sql`${policySeenAt(policyId)} AS policy_seen_at,`;
  const tokenSpent = tokenId === undefined ? raw('0') : sql`CASE WHEN ${tokenIsSpent(tokenId)} THEN 1 ELSE 0 END`;
  const ids = typeof userId === 'string' || userId instanceof Slot ? [userId] : userId;
  const all = lowerCaseId === undefined ? ids : [...ids, lowerCaseId];
  const theUser = all.length === 1 ? sql`a.user_id = ${join(all)}` : sql`a.user_id IN (${join(all)})`;
  return sql`
    SELECT a.user_id, a.security_stamp, a.row_version, a.active_ids, a.pending_id, a.backup_set_id, a.user_handle,
      a.must_enroll_since, a.recovery_hash, a.recovery_expires_at,
      ${join(BUDGET_COLUMNS)}, ${tokenSpent} AS token_spent, ${further ? sql`${further},` : sql``}${policySeen}
      (SELECT COUNT(*) FROM ${MfaBackupCodeEntity} b WHERE b.user_id = a.user_id
        AND b.set_id = a.backup_set_id AND NOT EXISTS (SELECT 1 FROM ${MfaUsageEntity} s
          WHERE s.user_id = b.user_id AND s.kind = 'backup_code' AND s.item = b.id)) AS backup_codes_remaining,
      ${credentialRows(rows, credentialHash)} WHERE ${theUser} ORDER BY id`;
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
