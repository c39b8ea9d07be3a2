import type { DataSource } from 'typeorm';
import type { BackupCode } from '../../domain/backup-codes/backup-code.js';
import { type ExpiredBackupSet, MfaBackupCodeStore } from '../../domain/backup-codes/backup-code.store.js';
import { MfaAccountEntity, MfaBackupCodeEntity, MfaUsageEntity } from '../entities/index.js';
import { join, type Sql, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { codesLeftOf } from './account-sql.js';
import { toBackupCode } from './row-mappers.js';

/** Parallel spendings after which a count is left to the next one. */
const MOST_COUNTS = 4;

/** {@link MfaBackupCodeStore} on TypeORM. */
export class TypeOrmBackupCodeStore extends MfaBackupCodeStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async add(codes: readonly BackupCode[]): Promise<void> {
    if (codes.length === 0) return;
    const rows = codes.map(
      ({ id, userId, setId, hash, usedAtMs, expiresAtMs }) =>
        sql`(${id}, ${userId}, ${setId}, ${hash}, ${usedAtMs}, ${expiresAtMs})`,
    );
    await this.statements.run(sql`
      INSERT INTO ${MfaBackupCodeEntity} (id, user_id, set_id, hash, used_at, expires_at) VALUES ${join(rows)}`);
  }

  override async list(userId: string, setId: string): Promise<BackupCode[]> {
    const { records } = await this.statements.run(sql`
      SELECT id, user_id, set_id, hash, used_at, expires_at FROM ${MfaBackupCodeEntity}
      WHERE user_id = ${userId} AND set_id = ${setId} ORDER BY id`);
    return records.map(toBackupCode);
  }

  override async markUsed(userId: string, id: string, atMs: number): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaBackupCodeEntity} SET used_at = ${atMs} WHERE user_id = ${userId} AND id = ${id}`);
  }

  override async collectAfter(userId: string, setId: string, expiresAtMs: number | null): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaBackupCodeEntity} SET expires_at = ${expiresAtMs}
      WHERE user_id = ${userId} AND set_id = ${setId}`);
  }

  override async remove(userId: string, setId: string): Promise<void> {
    await this.removeCodes(userId, sql`user_id = ${userId} AND set_id = ${setId}`);
  }

  override async removeExpired(userId: string, setId: string, beforeMs: number): Promise<void> {
    await this.removeCodes(userId, sql`user_id = ${userId} AND set_id = ${setId} AND expires_at <= ${beforeMs}`);
  }

  override async removeAll(userId: string): Promise<number> {
    const { affected } = await this.statements.run(sql`DELETE FROM ${MfaBackupCodeEntity} WHERE user_id = ${userId}`);
    return affected;
  }

  override async listExpired(beforeMs: number, limit: number): Promise<ExpiredBackupSet[]> {
    const { records } = await this.statements.run(sql`
      SELECT user_id, set_id, MIN(expires_at) AS expires_at FROM ${MfaBackupCodeEntity}
      WHERE expires_at <= ${beforeMs} GROUP BY user_id, set_id ORDER BY MIN(expires_at) LIMIT ${limit}`);
    return records.map((row) => ({
      userId: row.user_id as string,
      setId: row.set_id as string,
      expiresAtMs: Number(row.expires_at),
    }));
  }

  override async recount(userId: string): Promise<void> {
    const left = codesLeftOf(userId);
    const isWrong = sql`COALESCE(backup_codes_left, -1) <> COALESCE(${left}, -1)`;
    // PostgreSQL counts as of the start of the statement, also when it waited for the row. So a read of its own finds whether
    // the count is right.
    for (let counts = 0; counts < MOST_COUNTS; counts += 1) {
      const { records } = await this.statements.run(sql`
        SELECT user_id FROM ${MfaAccountEntity} WHERE user_id = ${userId} AND ${isWrong}`);
      if (records.length === 0) return;
      await this.statements.run(sql`
        UPDATE ${MfaAccountEntity} SET backup_codes_left = ${left} WHERE user_id = ${userId}`);
    }
  }

  private async removeCodes(userId: string, where: Sql): Promise<void> {
    // The codes last: as long as they are there, an interrupted removal is found and repeated.
    await this.statements.run(sql`
      DELETE FROM ${MfaUsageEntity} WHERE user_id = ${userId} AND kind = 'backup_code' AND item IN
        (SELECT id FROM ${MfaBackupCodeEntity} WHERE ${where})`);
    await this.statements.run(sql`DELETE FROM ${MfaBackupCodeEntity} WHERE ${where}`);
  }
}
