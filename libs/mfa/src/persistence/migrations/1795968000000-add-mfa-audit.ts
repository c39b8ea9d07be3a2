import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addToSchema, removeFromSchema, type SchemaAddition } from './schema-addition.js';

/** The tables as they were when this migration was written: never changed, whatever the entities become. */
const ADDITION: SchemaAddition = {
  accountColumns: [
    { name: 'last_change', type: 'text', nullable: true },
    { name: 'last_change_id', length: 36, nullable: true },
  ],
  accountIndices: [['last_change_id']],
  table: {
    name: 'mfa_audit',
    columns: [
      { name: 'id', length: 36, primary: true },
      { name: 'user_id', length: 255 },
      { name: 'state', length: 8 },
      { name: 'event', type: 'text' },
    ],
    indices: [{ columns: ['user_id', 'id'], isUnique: false }],
    content: 'the events of the past',
  },
};

/** Adds the audit table, and the columns in which a change stores its event until it is copied there. */
export class AddMfaAudit1795968000000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'AddMfaAudit1795968000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await addToSchema(queryRunner, ADDITION);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await removeFromSchema(queryRunner, ADDITION);
  }
}
