import type { DataSource } from 'typeorm';
import type { Spending, SpentEntry, UsageEntry, UsageKind } from '../../domain/usage/usage.js';
import { MfaUsageStore, type WhenKnown } from '../../domain/usage/usage.store.js';
import { MfaAccountEntity, MfaUsageEntity } from '../entities/index.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { type Slot, type Sql, type SqlDialect, type SqlPart, type SqlValue, join, sql } from '../statements/sql.js';
import { type StatementDeadline, StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { budgetColumns, LOCKING_ACCOUNT } from './account-sql.js';
import { isGalera } from './galera.js';
import { purging } from './purging.js';
import { rowsOf } from './row-mappers.js';

/** {@link MfaUsageStore} on TypeORM. */
export class TypeOrmUsageStore extends MfaUsageStore {
  private readonly statements: StatementRunner;

  constructor(
    private readonly dataSource: DataSource,
    options?: TypeOrmStoreOptions,
  ) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async spend(spending: Spending, whenKnown?: WhenKnown): Promise<boolean> {
    // Anything but exactly what was to be spent issues nothing (S29).
    const isSpent = ({ affected }: { affected: number }) => affected === spending.entries.length;
    if (spending.entries.length === 0) return false;
    const deadline = {
      whenLate: (result: { affected: number }) => whenKnown?.(isSpent(result)),
      whenUnwritten: () => whenKnown?.(false),
    };
    try {
      const isCluster =
        this.statements.dialect.family === 'mysql' && (await isGalera(this.dataSource, this.statements));
      return isSpent(
        await (isCluster
          ? this.spendCertified(spending, deadline)
          : this.statements.run(this.insert(spending), deadline)),
      );
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
  }

  /**
   * The account is locked in a table of its own. In a join with the entries, PostgreSQL repeats the first entry for each of
   * them when the lock had to wait for a change of the account, and the spending would fail.
   */
  private insert({ userId, entries, nowMs, ...expected }: Spending): Sql {
    const { dialect } = this.statements;
    return sql`
      INSERT INTO ${MfaUsageEntity} (user_id, kind, item, spent_at, expires_at)
      SELECT a.user_id, e.kind, e.item, e.spent_at, e.expires_at
      FROM (SELECT user_id FROM ${MfaAccountEntity} WHERE user_id = ${userId} AND ${stillAs(expected)}
        ${LOCKING_ACCOUNT[dialect.family]}) a CROSS JOIN (${usageRows(inOrder(entries), nowMs, dialect)}) e`;
  }

  /**
   * On a Galera cluster another node does not see the lock of the account row. The spending therefore changes that row
   * in the same transaction, so that of a spending and a change of the account on two nodes one fails certification
   * (1213) and is tried again. One millisecond of a daily cap is a change that means nothing.
   */
  private async spendCertified(
    spending: Spending,
    deadline: StatementDeadline<{ affected: number }>,
  ): Promise<{ affected: number }> {
    const { dailyTat } = budgetColumns('confirmation');
    return this.statements.transaction(async (run) => {
      const { affected } = await run(sql`
        UPDATE ${MfaAccountEntity} SET ${dailyTat} = ${dailyTat} + 1
        WHERE user_id = ${spending.userId} AND ${stillAs(spending)}`);
      return affected === 1 ? run(this.insert(spending)) : { affected: 0 };
    }, deadline);
  }

  override async purge(beforeMs: number, limit: number): Promise<number> {
    const { affected } = await this.statements.run(purging(MfaUsageEntity, beforeMs, limit, this.statements.dialect));
    return affected;
  }

  override async list(userId: string): Promise<SpentEntry[]> {
    const { records } = await this.statements.run(sql`
      SELECT user_id, kind, item, spent_at, expires_at FROM ${MfaUsageEntity}
      WHERE user_id = ${userId} ORDER BY spent_at, kind, item`);
    return rowsOf(userId, records).map((row) => ({
      kind: row.kind as UsageKind,
      item: row.item as string,
      spentAtMs: Number(row.spent_at),
      expiresAtMs: row.expires_at === null ? null : Number(row.expires_at),
    }));
  }

  override async removeAll(userId: string): Promise<void> {
    await this.statements.run(sql`DELETE FROM ${MfaUsageEntity} WHERE user_id = ${userId}`);
  }
}

/** Whether the account is as the spending found it: at its security stamp, with its backup set and recovery code. */
function stillAs({
  securityStamp,
  backupSetId,
  recoveryHash,
}: Pick<Spending, 'securityStamp' | 'backupSetId' | 'recoveryHash'>): Sql {
  const liveSet = backupSetId === undefined ? sql`` : sql`AND backup_set_id = ${backupSetId}`;
  const liveRecovery = recoveryHash === undefined ? sql`` : sql` AND recovery_hash = ${recoveryHash}`;
  return sql`security_stamp = ${securityStamp} ${liveSet}${liveRecovery}`;
}

/** One row to be spent: the values of an entry, or their slots. */
export type UsageRow = Readonly<Record<keyof UsageEntry, SqlPart>>;

/** Sorts the entries, so that two requests that spend the same items rarely deadlock. */
export function inOrder(entries: readonly UsageEntry[]): UsageEntry[] {
  return entries.toSorted((a, b) => compare(a.kind, b.kind) || compare(a.item, b.item));
}

/** The entries as values of a prepared statement. */
export function usageValues(entries: readonly UsageEntry[]): Record<string, SqlValue> {
  const values: Record<string, SqlValue> = {};
  entries.forEach(({ kind, item, expiresAtMs }, index) => {
    values[`kind${index}`] = kind;
    values[`item${index}`] = item;
    values[`expiresAtMs${index}`] = expiresAtMs;
  });
  return values;
}

/** The rows that {@link usageValues} gives the values of. */
export function usageSlots(slots: Readonly<Record<string, Slot | undefined>>): UsageRow[] {
  const rows: UsageRow[] = [];
  for (let index = 0; slots[`kind${index}`]; index++) {
    const slot = (name: string) => slots[`${name}${index}`]!;
    rows.push({ kind: slot('kind'), item: slot('item'), expiresAtMs: slot('expiresAtMs') });
  }
  return rows;
}

/** Rows of `kind, item, spent_at, expires_at`. */
export function usageRows(rows: readonly UsageRow[], nowMs: SqlPart, { integer }: SqlDialect): Sql {
  // PostgreSQL takes an uncast parameter in a select list for text.
  const selects = rows.map(
    ({ kind, item, expiresAtMs }) => sql`SELECT ${kind} AS kind, ${item} AS item,
      CAST(${nowMs} AS ${integer}) AS spent_at, CAST(${expiresAtMs} AS ${integer}) AS expires_at`,
  );
  return join(selects, ' UNION ALL ');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
