import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addToSchema, removeFromSchema, type SchemaAddition, tablePath } from './schema-addition.js';

/** The tables as they were when this migration was written: never changed, whatever the entities become. */
const ADDITION: SchemaAddition = {
  accountColumns: [
    { name: 'locked_until', default: 0 },
    { name: 'most_failures', type: 'int', default: 0 },
    { name: 'backup_codes_left', type: 'int', nullable: true },
    { name: 'moved_from', length: 255, nullable: true },
  ],
  accountIndices: [
    ['locked_until', 'user_id'],
    ['most_failures', 'user_id'],
    ['backup_codes_left', 'user_id'],
    ['must_enroll_since', 'user_id'],
  ],
};

const FACTORS = ['totp', 'backup_code', 'password', 'confirmation', 'other', 'recovery_code'];

/** Adds what the lists of administrators read, and the id from which an unfinished move copies an account. */
export class AddMfaAdministration1795881600000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'AddMfaAdministration1795881600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await addToSchema(queryRunner, ADDITION);
    await queryRunner.query(summaryOfAccounts(queryRunner));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await removeFromSchema(queryRunner, ADDITION);
  }
}

/**
 * Computes the new columns of the accounts that exist, in one statement. Run it again where an older version of the library
 * wrote to the tables after the migration: it does not write these columns.
 */
function summaryOfAccounts(queryRunner: QueryRunner): string {
  const { options } =
    queryRunner.dataSource ?? (queryRunner as unknown as { connection: QueryRunner['dataSource'] }).connection;
  const isServer = ['postgres', 'mysql', 'mariadb'].includes(options.type);
  const greatest = (column: string) =>
    `${isServer ? 'GREATEST' : 'MAX'}(${FACTORS.map((factor) => `a.${factor}_${column}`).join(', ')})`;
  const [account, codes, usage] = ['mfa_account', 'mfa_backup_code', 'mfa_usage'].map((name) =>
    tablePath(queryRunner, name),
  );
  return `
    UPDATE ${account} AS a SET locked_until = ${greatest('locked_until')},
      most_failures = CASE WHEN ${greatest('failures')} > 1 THEN ${greatest('failures')} ELSE 0 END,
      backup_codes_left = CASE WHEN a.active_ids = '' THEN NULL ELSE (SELECT COUNT(*) FROM ${codes} b
        WHERE b.user_id = a.user_id AND b.set_id = a.backup_set_id AND NOT EXISTS (SELECT 1 FROM ${usage} s
          WHERE s.user_id = b.user_id AND s.kind = 'backup_code' AND s.item = b.id)) END
    WHERE a.active_ids <> '' OR ${greatest('failures')} > 0 OR ${greatest('locked_until')} > 0`;
}
