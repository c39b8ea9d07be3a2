import type { DataSource } from 'typeorm';
import {
  type AccountListQuery,
  type ListedAccount,
  type ListedColumn,
  MfaAccountListStore,
} from '../../domain/accounts/account-list.store.js';
import type { PagePosition } from '../../domain/paging.js';
import { MfaAccountEntity } from '../entities/index.js';
import { join, raw, type Sql, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { BUDGET_COLUMNS } from './account-sql.js';
import { optionalNumber, toListed } from './row-mappers.js';

const COLUMNS: Readonly<Record<ListedColumn, Sql>> = {
  lockedUntilMs: raw('a.locked_until'),
  mostFailures: raw('a.most_failures'),
  backupCodesLeft: raw('a.backup_codes_left'),
  mustEnrollSinceMs: raw('a.must_enroll_since'),
};

/** {@link MfaAccountListStore} on TypeORM. */
export class TypeOrmAccountListStore extends MfaAccountListStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async list({ column, atLeast, atMost, after, limit }: AccountListQuery): Promise<ListedAccount[]> {
    const listed = COLUMNS[column];
    const from = Math.max(atLeast, after?.value ?? atLeast);
    const { records } = await this.statements.run(sql`
      SELECT a.user_id, a.active_ids, a.must_enroll_since, a.backup_codes_left, ${listed} AS listed_value,
        ${join(BUDGET_COLUMNS)} FROM ${MfaAccountEntity} a
      WHERE ${listed} >= ${from} ${atMost === undefined ? sql`` : sql`AND ${listed} <= ${atMost}`}
        ${after ? follows(listed, after) : sql``} AND ${NOT_MOVED}
      ORDER BY ${listed}, a.user_id LIMIT ${limit}`);
    return records.map((row) => ({
      ...toListed(row),
      backupCodesLeft: optionalNumber(row.backup_codes_left),
      value: Number(row.listed_value),
    }));
  }
}

/** Whether `a` comes after the account. The condition before it gives the range. */
function follows(listed: Sql, { value, userId }: PagePosition): Sql {
  return sql`AND (${listed} > ${value} OR a.user_id > ${userId})`;
}

const NOT_MOVED = raw("SUBSTR(a.active_ids, 1, 9) <> 'moved-to:'");
