import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addToSchema, removeFromSchema, type SchemaAddition } from './schema-addition.js';

/** The table as it was when this migration was written: never changed, whatever the entity becomes. */
const ADDITION: SchemaAddition = {
  accountColumns: [],
  table: {
    name: 'mfa_device',
    columns: [
      { name: 'id', length: 36, primary: true },
      { name: 'user_id', length: 255 },
      { name: 'kind', length: 8 },
      { name: 'lookup_hash', length: 64 },
      { name: 'secret_hash', length: 64 },
      { name: 'previous_hash', length: 64, nullable: true },
      { name: 'rotated_at', nullable: true },
      { name: 'key_id', length: 32 },
      { name: 'security_stamp' },
      { name: 'credential_version', length: 64 },
      { name: 'method', length: 16 },
      { name: 'label', length: 255 },
      { name: 'created_at' },
      { name: 'last_used_at' },
      { name: 'expires_at' },
      { name: 'mfa_at' },
    ],
    indices: [
      { columns: ['user_id', 'lookup_hash'], isUnique: true },
      { columns: ['expires_at'], isUnique: false },
    ],
    content: 'trusted devices',
  },
};

/** Adds the table of trusted devices. */
export class AddMfaDevices1795795200000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'AddMfaDevices1795795200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await addToSchema(queryRunner, ADDITION);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await removeFromSchema(queryRunner, ADDITION);
  }
}
