import type { DataSource } from 'typeorm';
import type { CredentialRowsStore, ExpiredCredential } from '../../domain/credentials/credential-rows.store.js';
import { join, sql, type TableReference } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';

/** {@link CredentialRowsStore} on TypeORM, for the table of one entity. */
export abstract class TypeOrmCredentialRows implements CredentialRowsStore {
  protected readonly statements: StatementRunner;
  protected abstract readonly table: TableReference;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    this.statements = new StatementRunner(dataSource, options);
  }

  async rename(userId: string, id: string, name: string): Promise<void> {
    await this.statements.run(sql`UPDATE ${this.table} SET name = ${name} WHERE user_id = ${userId} AND id = ${id}`);
  }

  async collectAfter(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void> {
    if (ids.length === 0) return;
    await this.statements.run(sql`
      UPDATE ${this.table} SET expires_at = ${expiresAtMs} WHERE user_id = ${userId} AND id IN (${join(ids)})`);
  }

  async remove(userId: string, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.statements.run(sql`DELETE FROM ${this.table} WHERE user_id = ${userId} AND id IN (${join(ids)})`);
  }

  async removeExpired(userId: string, id: string, beforeMs: number): Promise<void> {
    await this.statements.run(sql`
      DELETE FROM ${this.table} WHERE user_id = ${userId} AND id = ${id} AND expires_at <= ${beforeMs}`);
  }

  async removeAll(userId: string): Promise<number> {
    const { affected } = await this.statements.run(sql`DELETE FROM ${this.table} WHERE user_id = ${userId}`);
    return affected;
  }

  async listExpired(beforeMs: number, limit: number): Promise<ExpiredCredential[]> {
    const { records } = await this.statements.run(sql`
      SELECT id, user_id, expires_at FROM ${this.table}
      WHERE expires_at <= ${beforeMs} ORDER BY expires_at LIMIT ${limit}`);
    return records.map((row) => ({
      id: row.id as string,
      userId: row.user_id as string,
      expiresAtMs: Number(row.expires_at),
    }));
  }
}
