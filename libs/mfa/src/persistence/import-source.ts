import type { DataSource } from 'typeorm';
import { MfaImportSource, type SourceKey, type SourceRow, type SourceTable } from '../import/import-source.js';
import { MfaError } from '../domain/mfa-error.js';
import { type Sql, escapePath, join, raw, sql } from './statements/sql.js';
import { StatementRunner } from './statements/statement-runner.js';

/** Bound parameters of one SELECT stay far below the limit of every driver. */
const KEYS_PER_SELECT = 500;

/** {@link MfaImportSource} on TypeORM: tables that no entity describes, by their names. */
export class TypeOrmImportSource extends MfaImportSource {
  private readonly statements: StatementRunner;

  constructor(private readonly dataSource: DataSource) {
    super();
    this.statements = new StatementRunner(dataSource);
  }

  override async check({ table, columns }: SourceTable): Promise<void> {
    const named = Object.values(columns);
    if ((await this.problemOf(table, named)) === null) return;
    const cause = await this.problemOf(table, []);
    if (cause !== null) {
      throw misconfigured(`the table "${table}" does not exist in the source, or must not be read`, cause);
    }
    for (const column of named) {
      const problem = await this.problemOf(table, [column]);
      if (problem !== null) throw misconfigured(`the table "${table}" has no column "${column}"`, problem);
    }
  }

  override async count({ table, columns }: SourceTable): Promise<{ rows: number; withoutUser: number }> {
    const { records } = await this.statements.run(sql`
      SELECT COUNT(*) AS total, COUNT(${this.column(columns.userId)}) AS named FROM ${this.table(table)} s`);
    const [{ total, named } = {}] = records;
    return { rows: Number(total), withoutUser: Number(total) - Number(named) };
  }

  override async requireOneRowEach({ table, columns }: SourceTable): Promise<void> {
    const userId = this.column(columns.userId);
    const { records } = await this.statements.run(sql`
      SELECT COUNT(*) AS several FROM ${this.table(table)} s
      WHERE ${userId} IS NOT NULL GROUP BY ${userId} HAVING COUNT(*) > 1 LIMIT 1`);
    if (records.length === 0) return;
    throw misconfigured(
      `the table "${table}" has several rows of one "${columns.userId}" (as the database compares them). ` +
        'Name a view that has one row for each user',
    );
  }

  override async page(table: SourceTable, after: SourceKey | null, limit: number): Promise<SourceRow[]> {
    const userId = this.column(table.columns.userId);
    const further = after === null ? sql`${userId} IS NOT NULL` : sql`${userId} > ${after}`;
    const { records } = await this.statements.run(sql`
      SELECT ${this.selection(table)} FROM ${this.table(table.table)} s
      WHERE ${further} ORDER BY ${userId} LIMIT ${limit}`);
    return records.map((row) => requireKey(row, table));
  }

  override async rowsOf(table: SourceTable, userIds: readonly SourceKey[]): Promise<SourceRow[]> {
    const rows: SourceRow[] = [];
    for (let start = 0; start < userIds.length; start += KEYS_PER_SELECT) {
      // As text: a driver would send a number to a column of text, and PostgreSQL refuses that.
      const keys = userIds.slice(start, start + KEYS_PER_SELECT).map(String);
      const { records } = await this.statements.run(sql`
        SELECT ${this.selection(table)} FROM ${this.table(table.table)} s
        WHERE ${this.column(table.columns.userId)} IN (${join(keys)})`);
      // Not spread: a call takes some 100,000 arguments at most.
      for (const record of records) rows.push(record);
    }
    return rows;
  }

  /** What the database has against reading these columns; `null` = nothing. Reads no row. */
  private async problemOf(table: string, columns: readonly string[]): Promise<unknown> {
    const wanted = columns.length === 0 ? raw('1') : join(columns.map((column) => this.column(column)));
    try {
      await this.statements.run(sql`SELECT ${wanted} FROM ${this.table(table)} s WHERE 1 = 0`);
      return null;
    } catch (error) {
      return error ?? 'unknown';
    }
  }

  private table(path: string): Sql {
    return raw(escapePath(this.dataSource, path));
  }

  /** Qualified, because SQLite, as many builds of it are set, takes an unknown name in double quotes for a text. */
  private column(name: string): Sql {
    return raw(`s.${this.dataSource.driver.escape(name)}`);
  }

  private selection({ columns }: SourceTable): Sql {
    const { driver } = this.dataSource;
    return join(
      Object.entries(columns).map(([field, column]) => sql`${this.column(column)} AS ${raw(driver.escape(field))}`),
    );
  }
}

function requireKey(row: SourceRow, { table, columns }: SourceTable): SourceRow {
  if (typeof row.userId === 'string') return row;
  if (typeof row.userId === 'number') {
    if (Math.abs(row.userId) <= Number.MAX_SAFE_INTEGER) return row;
    throw misconfigured(
      `"${table}"."${columns.userId}" holds numbers beyond 2^53, which the driver rounds. Name a view that casts them to text`,
    );
  }
  throw misconfigured(
    `"${table}"."${columns.userId}" holds neither text nor numbers. Name a view that spells user ids as your application does`,
  );
}

function misconfigured(problem: string, cause?: unknown): MfaError {
  return new MfaError('MFA_MISCONFIGURED', { message: `Import plan: ${problem}`, cause });
}
