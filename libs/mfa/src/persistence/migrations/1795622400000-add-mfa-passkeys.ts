import { type MigrationInterface, type QueryRunner, Table, TableColumn, TableIndex } from 'typeorm';
import { MfaError } from '../../domain/mfa-error.js';

/** A column to create. Without `length` and `type` it is a 64-bit integer. */
interface NewColumn {
  name: string;
  /** Makes it a text of at most this length. */
  length?: number;
  type?: 'text' | 'int';
  nullable?: true;
  primary?: true;
  default?: 0;
}

const ACCOUNT = 'mfa_account';
const PASSKEY = 'mfa_passkey';

/** Rows that exist, and the inserts of an older version that still runs, get no handle and an unused budget. */
const ACCOUNT_COLUMNS: readonly NewColumn[] = [
  { name: 'user_handle', length: 86, nullable: true },
  { name: 'other_failures', type: 'int', default: 0 },
  { name: 'other_locked_until', default: 0 },
  { name: 'other_daily_tat', default: 0 },
];

/** The table as it was when this migration was written: never changed, whatever the entity becomes. */
const PASSKEY_COLUMNS: readonly NewColumn[] = [
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
];

/** Adds the table of passkeys, the WebAuthn user handle of an account, and the attempt budget of other factors. */
export class AddMfaPasskeys1795622400000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'AddMfaPasskeys1795622400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const [account, passkey] = [prefixed(queryRunner, ACCOUNT), prefixed(queryRunner, PASSKEY)];
    if (await queryRunner.hasTable(passkey)) throw tableExists(passkey);
    // The table comes last. MySQL commits each step, so a run that stopped half-way is repeated by adding what is missing.
    const existing = (await queryRunner.getTable(account))?.columns.map(({ name }) => name) ?? [];
    const added = ACCOUNT_COLUMNS.filter(({ name }) => !existing.includes(name));
    await queryRunner.addColumns(
      account,
      added.map((column) => toColumn(queryRunner, column)),
    );
    await queryRunner.createTable(passkeyTable(queryRunner, passkey));
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.dropTable(prefixed(queryRunner, PASSKEY));
    await queryRunner.dropColumns(
      prefixed(queryRunner, ACCOUNT),
      ACCOUNT_COLUMNS.map((column) => toColumn(queryRunner, column)),
    );
  }
}

/** The DataSource of the runner. TypeORM 1 calls it `dataSource`, TypeORM 0.3 `connection`. */
function sourceOf(queryRunner: QueryRunner): QueryRunner['dataSource'] {
  return queryRunner.dataSource ?? (queryRunner as unknown as { connection: QueryRunner['dataSource'] }).connection;
}

function prefixed(queryRunner: QueryRunner, name: string): string {
  const { options, namingStrategy } = sourceOf(queryRunner);
  return options.entityPrefix ? namingStrategy.prefixTableName(options.entityPrefix, name) : name;
}

function passkeyTable(queryRunner: QueryRunner, name: string): Table {
  const { namingStrategy } = sourceOf(queryRunner);
  const indexOn = (column: string, isUnique: boolean) =>
    new TableIndex({ name: namingStrategy.indexName(name, [column]), columnNames: [column], isUnique });
  return new Table({
    name,
    columns: PASSKEY_COLUMNS.map((column) => toColumn(queryRunner, column)),
    // One credential belongs to one user, over all users (S81). The names carry the prefix (S74).
    indices: [indexOn('credential_hash', true), indexOn('user_id', false), indexOn('expires_at', false)],
  });
}

function toColumn(queryRunner: QueryRunner, column: NewColumn): TableColumn {
  const { driver, options } = sourceOf(queryRunner);
  const isMysql = options.type === 'mysql' || options.type === 'mariadb';
  return new TableColumn({
    name: column.name,
    type: driver.normalizeType({ type: column.type ?? (column.length ? 'varchar' : 'bigint') }),
    isNullable: column.nullable ?? false,
    isPrimary: column.primary ?? false,
    default: column.default,
    ...(column.length && { length: String(column.length) }),
    // User ids and base64url are compared byte by byte; MySQL's default collations take "a" for "A".
    ...(isMysql && column.length && { charset: 'utf8mb4', collation: 'utf8mb4_bin' }),
  });
}

function tableExists(table: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', {
    message:
      `The table "${table}" already exists although the migration that creates it is not recorded: \`synchronize\` made ` +
      'it, or your own migration that `migration:generate` wrote before this one had run. Nothing was changed. Turn ' +
      '`synchronize` off, delete the statements on the mfa_* tables from your own migration, drop this table ' +
      '(registered passkeys are lost), and run the migrations again. For a table of your own give MFA an ' +
      '`entityPrefix` or a DataSource of its own.',
  });
}
