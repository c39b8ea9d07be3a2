import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addToSchema, removeFromSchema, type SchemaAddition } from './schema-addition.js';

/** The tables as they were when this migration was written: never changed, whatever the entities become. */
const ADDITION: SchemaAddition = {
  // Rows that exist, and the inserts of an older version that still runs, get no handle and an unused budget.
  accountColumns: [
    { name: 'user_handle', length: 86, nullable: true },
    { name: 'other_failures', type: 'int', default: 0 },
    { name: 'other_locked_until', default: 0 },
    { name: 'other_daily_tat', default: 0 },
  ],
  table: {
    name: 'mfa_passkey',
    columns: [
      { name: 'id', length: 36, primary: true },
      { name: 'user_id', length: 255 },
      { name: 'credential_id', length: 1364 },
      { name: 'credential_hash', length: 64 },
      { name: 'public_key', type: 'text' },
      { name: 'counter' },
      { name: 'transports', length: 255 },
      { name: 'backup_eligible', type: 'int' },
      { name: 'backed_up', type: 'int' },
      { name: 'user_verified', type: 'int' },
      { name: 'aaguid', length: 36 },
      { name: 'name', length: 64 },
      { name: 'created_at' },
      { name: 'last_used_at', nullable: true },
      { name: 'expires_at', nullable: true },
    ],
    indices: [
      // One credential belongs to one user, over all users (S81).
      { columns: ['credential_hash'], isUnique: true },
      { columns: ['user_id'], isUnique: false },
      { columns: ['expires_at'], isUnique: false },
    ],
    content: 'registered passkeys',
  },
};

/** Adds the table of passkeys, the WebAuthn user handle of an account, and the attempt budget of other factors. */
export class AddMfaPasskeys1795622400000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'AddMfaPasskeys1795622400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await addToSchema(queryRunner, ADDITION);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await removeFromSchema(queryRunner, ADDITION);
  }
}
