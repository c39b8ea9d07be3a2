import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addToSchema, removeFromSchema, type SchemaAddition } from './schema-addition.js';

/** The tables as they were when this migration was written: never changed, whatever the entities become. */
const ADDITION: SchemaAddition = {
  // Rows that exist, and the inserts of an older version that still runs, get no recovery code and an unused budget.
  accountColumns: [
    { name: 'must_enroll_since', nullable: true },
    { name: 'recovery_hash', length: 128, nullable: true },
    { name: 'recovery_expires_at', nullable: true },
    { name: 'recovery_code_failures', type: 'int', default: 0 },
    { name: 'recovery_code_locked_until', default: 0 },
    { name: 'recovery_code_daily_tat', default: 0 },
  ],
  table: {
    name: 'mfa_policy_seen',
    columns: [
      { name: 'user_id', length: 255, primary: true },
      { name: 'policy_id', length: 64, primary: true },
      { name: 'first_seen_at' },
    ],
    indices: [{ columns: ['policy_id', 'first_seen_at', 'user_id'], isUnique: false }],
    content: 'the times at which users were first seen under a policy',
  },
};

/** Adds the table of policy sightings, the recovery code of an account with its budget, and required enrollment. */
export class AddMfaPolicies1795708800000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'AddMfaPolicies1795708800000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await addToSchema(queryRunner, ADDITION);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await removeFromSchema(queryRunner, ADDITION);
  }
}
