import { type MigrationInterface, type QueryRunner, Table, type TableColumnOptions } from 'typeorm';
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
  /** The columns of each index. */
  indices: readonly (readonly string[])[];
}

const text = (name: string, length: number): Column => ({ name, type: 'varchar', length });
const time = (name: string): Column => ({ name, type: 'bigint' });
const nullable = (column: Column): Column => ({ ...column, nullable: true });
const budget = (factor: string): Column[] => [
  { name: `${factor}_failures`, type: 'int' },
  time(`${factor}_locked_until`),
  time(`${factor}_daily_tat`),
];

/** The tables as they were when this migration was written: never changed, whatever the entities become. */
const TABLES: readonly TableShape[] = [
  {
    name: 'mfa_account',
    primaryKey: ['user_id'],
    columns: [
      text('user_id', 255),
      { name: 'security_stamp', type: 'bigint' },
      { name: 'row_version', type: 'bigint' },
      text('active_ids', 2000),
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
    indices: [['user_id'], ['expires_at']],
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
    indices: [['user_id', 'set_id'], ['expires_at']],
  },
  {
    name: 'mfa_usage',
    primaryKey: ['user_id', 'kind', 'item'],
    columns: [text('user_id', 255), text('kind', 16), text('item', 64), time('spent_at'), nullable(time('expires_at'))],
    indices: [['expires_at']],
  },
];

/** Creates the tables of the library on PostgreSQL, MySQL/MariaDB or SQLite. */
export class CreateMfaTables1795536000000 implements MigrationInterface {
  /** Explicit, so that a minifier cannot rename what the migrations table records. */
  readonly name = 'CreateMfaTables1795536000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    const tables = TABLES.map((shape) => buildTable(queryRunner, shape));
    await requireNone(queryRunner, tables);
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
  const name = tableName(queryRunner, shape);
  const { namingStrategy } = dataSourceOf(queryRunner);
  return new Table({
    name,
    columns: shape.columns.map((column) => buildColumn(queryRunner, shape, column)),
    // The names carry the prefix, as that of the primary key does: index names are unique in a whole schema (S74).
    indices: shape.indices.map((columns) => ({
      name: namingStrategy.indexName(name, [...columns]),
      columnNames: [...columns],
    })),
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
    isPrimary: shape.primaryKey.includes(column.name),
    // User ids and spent items are compared byte by byte; MySQL's default collations take "alicé" for "Alice".
    ...(isMysql && column.type === 'varchar' && { charset: 'utf8mb4', collation: 'utf8mb4_bin' }),
  };
}

/** Throws when one of the tables exists already. Changes nothing. */
async function requireNone(queryRunner: QueryRunner, tables: readonly Table[]): Promise<void> {
  const existing: Table[] = [];
  for (const { name } of tables) {
    const found = (await queryRunner.hasTable(name)) && (await queryRunner.getTable(name));
    if (found) existing.push(found);
  }
  const [first] = existing;
  if (!first) return;
  const columnsOf = ({ columns }: Table) =>
    columns
      .map(({ name }) => name)
      .toSorted()
      .join();
  const other = existing.find((found) => !tables.some((table) => columnsOf(table) === columnsOf(found)));
  throw other ? otherColumns(other.name) : alreadyThere(first.name);
}

function otherColumns(table: string): MfaError {
  return misconfigured(
    `The table "${table}" exists with other columns than this version of nestjs-mfa uses: a pre-release made it, or it ` +
      'belongs to something else. Nothing was changed. Tables of a pre-release must be dropped (all four mfa_* tables; ' +
      'users enroll again), or renamed and imported (`npx nestjs-mfa import`). For a table of your own give MFA an ' +
      '`entityPrefix` or a DataSource of its own.',
  );
}

function alreadyThere(table: string): MfaError {
  return misconfigured(
    `The table "${table}" already exists although the migration that creates it is not recorded: ` +
      '`synchronize` made it, or your own migration that `migration:generate` wrote before this one had run, or an ' +
      'earlier run stopped half-way. Nothing was changed. Either turn `synchronize` off, delete the statements on the ' +
      'mfa_* tables from your own migration and drop the four tables (enrolled authenticators are lost), or keep them ' +
      'and record CreateMfaTables1795536000000 in the migrations table as run.',
  );
}

function misconfigured(message: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', { message });
}
