import {
  type MigrationInterface,
  type QueryRunner,
  Table,
  type TableColumnOptions,
  type TableIndexOptions,
} from 'typeorm';
import { MfaError } from '../../domain/mfa-error.js';

type ColumnType = 'varchar' | 'text' | 'int' | 'bigint';

interface Column {
  name: string;
  type: ColumnType;
  length?: number;
  nullable?: true;
}

interface TableShape {
  name: string;
  primaryKey: readonly string[];
  columns: readonly Column[];
  indices: readonly TableIndexOptions[];
}

const text = (name: string, length: number): Column => ({ name, type: 'varchar', length });
const time = (name: string): Column => ({ name, type: 'bigint' });
const nullable = (column: Column): Column => ({ ...column, nullable: true });
const index = (name: string, ...columnNames: string[]): TableIndexOptions => ({ name, columnNames });
const budget = (factor: string): Column[] => [
  { name: `${factor}_failures`, type: 'int' },
  time(`${factor}_locked_until`),
  time(`${factor}_tat`),
];

/** The tables as they were when this migration was written: never changed, whatever the entities become. */
const TABLES: readonly TableShape[] = [
  {
    name: 'mfa_account',
    primaryKey: ['user_id'],
    columns: [
      text('user_id', 255),
      { name: 'epoch', type: 'bigint' },
      { name: 'version', type: 'bigint' },
      text('active_ids', 400),
      nullable(text('pending_id', 36)),
      nullable(text('backup_set_id', 36)),
      ...['totp', 'backup_code', 'password', 'confirmation'].flatMap(budget),
    ],
    indices: [],
  },
  {
    name: 'mfa_authenticator',
    primaryKey: ['id'],
    columns: [
      text('id', 36),
      text('user_id', 255),
      text('name', 64),
      { name: 'secret', type: 'text' },
      text('algorithm', 10),
      { name: 'digits', type: 'int' },
      { name: 'period_seconds', type: 'int' },
      time('created_at'),
      nullable(time('confirmed_at')),
      nullable(time('last_used_at')),
      nullable(time('expires_at')),
      nullable(text('setup_binding', 64)),
    ],
    indices: [
      index('idx_mfa_authenticator_user_id', 'user_id'),
      index('idx_mfa_authenticator_expires_at', 'expires_at'),
    ],
  },
  {
    name: 'mfa_backup_code',
    primaryKey: ['id'],
    columns: [
      text('id', 36),
      text('user_id', 255),
      text('set_id', 36),
      { name: 'hash', type: 'text' },
      nullable(time('used_at')),
      nullable(time('expires_at')),
    ],
    indices: [
      index('idx_mfa_backup_code_set', 'user_id', 'set_id'),
      index('idx_mfa_backup_code_expires_at', 'expires_at'),
    ],
  },
  {
    name: 'mfa_usage',
    primaryKey: ['user_id', 'kind', 'item'],
    columns: [text('user_id', 255), text('kind', 16), text('item', 64), time('spent_at'), nullable(time('expires_at'))],
    indices: [index('idx_mfa_usage_expires_at', 'expires_at')],
  },
];

/** Creates the tables of the library on PostgreSQL, MySQL/MariaDB or SQLite. */
export class CreateMfaTables1795449600000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'CreateMfaTables1795449600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const tables = TABLES.map((shape) => buildTable(queryRunner, shape));
    for (const { name } of tables) {
      if (await queryRunner.hasTable(name)) throw alreadyThere(name);
    }
    for (const table of tables) await queryRunner.createTable(table);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    for (const shape of TABLES.toReversed()) await queryRunner.dropTable(tableName(queryRunner, shape));
  }
}

/** TypeORM 1 calls it `dataSource`, TypeORM 0.3 `connection`. */
function dataSourceOf(queryRunner: QueryRunner): QueryRunner['dataSource'] {
  return queryRunner.dataSource ?? (queryRunner as unknown as { connection: QueryRunner['dataSource'] }).connection;
}

function tableName(queryRunner: QueryRunner, { name }: TableShape): string {
  const { options, namingStrategy } = dataSourceOf(queryRunner);
  return options.entityPrefix ? namingStrategy.prefixTableName(options.entityPrefix, name) : name;
}

function buildTable(queryRunner: QueryRunner, shape: TableShape): Table {
  return new Table({
    name: tableName(queryRunner, shape),
    columns: shape.columns.map((column) => buildColumn(queryRunner, shape, column)),
    indices: [...shape.indices],
  });
}

function buildColumn(queryRunner: QueryRunner, shape: TableShape, column: Column): TableColumnOptions {
  const { driver, options } = dataSourceOf(queryRunner);
  const isMysql = options.type === 'mysql' || options.type === 'mariadb';
  return {
    name: column.name,
    type: driver.normalizeType({ type: column.type }),
    ...(column.length && { length: String(column.length) }),
    isNullable: column.nullable ?? false,
    ...(shape.primaryKey.includes(column.name) && {
      isPrimary: true,
      primaryKeyConstraintName: `pk_${shape.name}`,
    }),
    // User ids and spent items are compared byte by byte; MySQL's default collations take "alicé" for "Alice".
    ...(isMysql && column.type === 'varchar' && { charset: 'utf8mb4', collation: 'utf8mb4_bin' }),
  };
}

function alreadyThere(table: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', {
    message:
      `The table "${table}" already exists although the migration that creates it is not recorded: ` +
      '`synchronize` made it, or an earlier run stopped half-way. Nothing was changed. Either turn `synchronize` off ' +
      'and drop the four mfa_* tables (enrolled authenticators are lost), or keep them and record ' +
      'CreateMfaTables1795449600000 in the migrations table as run.',
  });
}
