import type { DataSource } from 'typeorm';
import type { AccountSnapshot } from '../../domain/accounts/account.js';
import { type AccountChange, type AttemptReservation, MfaAccountStore } from '../../domain/accounts/account.store.js';
import {
  dailyInterval,
  dailyTolerance,
  latestLock,
  latestTat,
  lockLadder,
} from '../../domain/attempts/attempt-budget.js';
import { ATTEMPT_FACTORS, type AttemptFactor, type AttemptPolicy } from '../../domain/attempts/attempt-policy.js';
import { isUniqueViolation } from '../database-errors.js';
import { MfaAccountEntity, MfaAuthenticatorEntity, MfaBackupCodeEntity, MfaUsageEntity } from '../entities/index.js';
import { join, raw, type Sql, sql } from '../sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statement-runner.js';
import { toAccount, toAuthenticator } from './rows.js';

const BUDGET_COLUMNS = ATTEMPT_FACTORS.flatMap((factor) => Object.values(budgetColumns(factor)));

/** {@link MfaAccountStore} on TypeORM. */
export class TypeOrmAccountStore extends MfaAccountStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async load(userId: string, tokenId?: string): Promise<AccountSnapshot | null> {
    const { records } = await this.statements.run(sql`
      SELECT a.user_id, a.epoch, a.version, a.active_ids, a.pending_id, a.backup_set_id,
        ${join(BUDGET_COLUMNS)}, ${tokenSpent(tokenId)} AS token_spent,
        (SELECT COUNT(*) FROM ${MfaBackupCodeEntity} b WHERE b.user_id = a.user_id
          AND b.set_id = a.backup_set_id AND NOT EXISTS (SELECT 1 FROM ${MfaUsageEntity} s
            WHERE s.user_id = b.user_id AND s.kind = 'backup_code' AND s.item = b.id)) AS backup_codes_remaining,
        t.id, t.name, t.secret, t.algorithm, t.digits, t.period_seconds,
        t.created_at, t.confirmed_at, t.last_used_at, t.expires_at
      FROM ${MfaAccountEntity} a
      LEFT JOIN ${MfaAuthenticatorEntity} t ON t.user_id = a.user_id
      WHERE a.user_id = ${userId}`);
    // MariaDB pads with spaces even in a binary collation: '42' = '42 ' (S42).
    const rows = records.filter(({ user_id }) => user_id === userId);
    const [first] = rows;
    if (!first) return null;
    return {
      account: toAccount(first),
      authenticators: rows.filter(({ id }) => id !== null).map((row) => toAuthenticator(row, userId)),
      backupCodesRemaining: Number(first.backup_codes_remaining),
      tokenSpent: Number(first.token_spent) === 1,
    };
  }

  override async open(userId: string, nowMs: number): Promise<void> {
    const zeros = BUDGET_COLUMNS.map(() => raw('0'));
    try {
      await this.statements.run(sql`
        INSERT INTO ${MfaAccountEntity} (user_id, epoch, version, active_ids, ${join(BUDGET_COLUMNS)})
        VALUES (${userId}, ${nowMs}, ${nowMs}, '', ${join(zeros)})`);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
    }
  }

  override async commit(userId: string, version: number, change: AccountChange): Promise<boolean> {
    const { affected } = await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${join([...assignments(change), sql`version = version + 1`])}
      WHERE user_id = ${userId} AND version = ${version}`);
    return affected === 1;
  }

  override async reserve({ userId, epoch, factor, policy, nowMs }: AttemptReservation): Promise<boolean> {
    const { failures, lockedUntil, tat } = budgetColumns(factor);
    // `failures` comes last: MySQL evaluates SET from left to right and would see the new value.
    const { affected } = await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET
        ${lockedUntil} = ${this.lockAfter(factor, policy, nowMs)},
        ${tat} = CASE WHEN ${tat} > ${nowMs} AND ${tat} <= ${latestTat(policy, nowMs)} THEN ${tat} ELSE ${nowMs} END
          + ${dailyInterval(policy)},
        ${failures} = ${failures} + 1
      WHERE user_id = ${userId} AND epoch = ${epoch} AND ${failures} < ${policy.disableAfter}
        AND (${lockedUntil} <= ${nowMs} OR ${lockedUntil} > ${latestLock(policy, nowMs)})
        AND (${tat} <= ${nowMs + dailyTolerance(policy)} OR ${tat} > ${latestTat(policy, nowMs)})`);
    return affected === 1;
  }

  override async settle(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const { failures, lockedUntil } = budgetColumns(factor);
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${failures} = 0, ${lockedUntil} = 0, ${refunding(factor, policy)}
      WHERE user_id = ${userId}`);
  }

  override async refund(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${refunding(factor, policy)} WHERE user_id = ${userId}`);
  }

  override async release(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const { failures, lockedUntil } = budgetColumns(factor);
    // `failures` comes last, as in `reserve`.
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET
        ${lockedUntil} = CASE WHEN ${failures} % ${policy.maxFailures} = 0 THEN 0 ELSE ${lockedUntil} END,
        ${refunding(factor, policy)},
        ${failures} = CASE WHEN ${failures} > 0 THEN ${failures} - 1 ELSE 0 END
      WHERE user_id = ${userId}`);
  }

  override async endLocks(userId: string): Promise<void> {
    const open = ATTEMPT_FACTORS.map((factor) => sql`${budgetColumns(factor).lockedUntil} = 0`);
    await this.statements.run(sql`UPDATE ${MfaAccountEntity} SET ${join(open)} WHERE user_id = ${userId}`);
  }

  override async clearBudgets(userId: string): Promise<void> {
    const zeros = BUDGET_COLUMNS.map((column) => sql`${column} = 0`);
    await this.statements.run(sql`UPDATE ${MfaAccountEntity} SET ${join(zeros)} WHERE user_id = ${userId}`);
  }

  override async revokeTokens(userId: string): Promise<void> {
    // The version rises too, or a commit that read the old epoch could set the same new one again.
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET epoch = epoch + 1, version = version + 1, pending_id = NULL
      WHERE user_id = ${userId}`);
  }

  override async remove(userId: string): Promise<void> {
    await this.statements.run(sql`DELETE FROM ${MfaAccountEntity} WHERE user_id = ${userId}`);
  }

  /** The lock that this attempt brings if it fails; in the terms of {@link lockLadder}, by the failures before it. */
  private lockAfter(factor: AttemptFactor, policy: AttemptPolicy, nowMs: number): Sql {
    const { failures } = budgetColumns(factor);
    const rungs = lockLadder(policy).map(
      ({ atFailures, lockMs }) => sql`WHEN ${failures} + 1 = ${atFailures} THEN ${nowMs + lockMs}`,
    );
    // PostgreSQL takes the type of the whole CASE from the one branch that is no parameter.
    return sql`CASE ${join(rungs, ' ')}
      WHEN (${failures} + 1) % ${policy.maxFailures} = 0 THEN ${nowMs + policy.maxLockMs}
      ELSE CAST(0 AS ${this.statements.dialect.integer}) END`;
  }
}

function budgetColumns(factor: AttemptFactor): Record<'failures' | 'lockedUntil' | 'tat', Sql> {
  return {
    failures: raw(`${factor}_failures`),
    lockedUntil: raw(`${factor}_locked_until`),
    tat: raw(`${factor}_tat`),
  };
}

function tokenSpent(tokenId: string | undefined): Sql {
  if (tokenId === undefined) return raw('0');
  return sql`CASE WHEN EXISTS (SELECT 1 FROM ${MfaUsageEntity} u
    WHERE u.user_id = a.user_id AND u.kind = 'token' AND u.item = ${tokenId}) THEN 1 ELSE 0 END`;
}

function refunding(factor: AttemptFactor, policy: AttemptPolicy): Sql {
  const { tat } = budgetColumns(factor);
  const interval = dailyInterval(policy);
  return sql`${tat} = CASE WHEN ${tat} > ${interval} THEN ${tat} - ${interval} ELSE 0 END`;
}

function assignments({ epoch, activeIds, pendingId, backupSetId }: AccountChange): Sql[] {
  return [
    ...(epoch === undefined ? [] : [sql`epoch = ${epoch}`]),
    ...(activeIds === undefined ? [] : [sql`active_ids = ${activeIds.join(',')}`]),
    ...(pendingId === undefined ? [] : [sql`pending_id = ${pendingId}`]),
    ...(backupSetId === undefined ? [] : [sql`backup_set_id = ${backupSetId}`]),
  ];
}
