import type { DataSource } from 'typeorm';
import {
  MfaSealedValueStore,
  type Reencryption,
  type SealedPurpose,
  type SealedValue,
} from '../../domain/secrets/sealed-value.store.js';
import { MfaAuthenticatorEntity, MfaBackupCodeEntity } from '../entities/index.js';
import { join, raw, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';

/** The table and column of the values of each purpose. */
const PLACES = {
  'totp-secret': { table: MfaAuthenticatorEntity, column: raw('secret') },
  'backup-code': { table: MfaBackupCodeEntity, column: raw('hash') },
} as const;

/** {@link MfaSealedValueStore} on TypeORM. */
export class TypeOrmSealedValueStore extends MfaSealedValueStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async count(purpose: SealedPurpose): Promise<number> {
    const { records } = await this.statements.run(sql`SELECT COUNT(*) AS total FROM ${PLACES[purpose].table}`);
    return Number(records[0]?.total);
  }

  override async listAfter(purpose: SealedPurpose, afterId: string, limit: number): Promise<SealedValue[]> {
    const { table, column } = PLACES[purpose];
    const { records } = await this.statements.run(sql`
      SELECT id, user_id, ${column} AS sealed FROM ${table} WHERE id > ${afterId} ORDER BY id LIMIT ${limit}`);
    return records.map((row) => ({
      purpose,
      userId: row.user_id as string,
      credentialId: row.id as string,
      sealed: row.sealed as string,
    }));
  }

  override async replace(purpose: SealedPurpose, reencryptions: readonly Reencryption[]): Promise<void> {
    if (reencryptions.length === 0) return;
    const { table, column } = PLACES[purpose];
    // Each row is compared with what it holds when it is written, on every database (S62).
    const branches = reencryptions.map(
      ({ credentialId, userId, sealed, reencrypted }) =>
        sql`WHEN id = ${credentialId} AND user_id = ${userId} AND ${column} = ${sealed} THEN ${reencrypted}`,
    );
    const ids = reencryptions.map(({ credentialId }) => credentialId);
    await this.statements.run(sql`
      UPDATE ${table} SET ${column} = CASE ${join(branches, ' ')} ELSE ${column} END WHERE id IN (${join(ids)})`);
  }
}
