import { type QueryRunner, Table, TableColumn, TableIndex } from 'typeorm';
import { MfaError } from '../../domain/mfa-error.js';

/** A column to create. Without `length` and `type` it is a 64-bit integer. */
export interface NewColumn {
  name: string;
  /** Makes it a text of at most this length. */
  length?: number;
  type?: 'text' | 'int';
  nullable?: true;
  primary?: true;
  default?: 0;
}

/** What a migration adds to the schema. Migrations that ran depend on it, so only extend it. */
export interface SchemaAddition {
  /** Columns of `mfa_account`. */
  accountColumns: readonly NewColumn[];
  /** The columns of each new index of `mfa_account`. */
  accountIndices?: readonly (readonly string[])[];
  table?: {
    name: string;
    columns: readonly NewColumn[];
    indices: readonly { columns: readonly string[]; isUnique: boolean }[];
    /** What is lost with the table, for the message that asks to drop it. */
    content: string;
  };
}

const ACCOUNT = 'mfa_account';

/** Adds the columns and indices that are missing, and then the table. Throws where the table exists, and then changes nothing. */
export async function addToSchema(
  queryRunner: QueryRunner,
  { accountColumns, accountIndices = [], table }: SchemaAddition,
): Promise<void> {
  const account = prefixed(queryRunner, ACCOUNT);
  const added = table && prefixed(queryRunner, table.name);
  if (added !== undefined && (await queryRunner.hasTable(added))) throw tableExists(added, table!.content);
  // The table comes last. MySQL commits each step, so a run that stopped half-way is repeated by adding what is missing.
  const { columns = [], indices = [] } = (await queryRunner.getTable(account)) ?? {};
  const missing = accountColumns.filter((column) => !columns.some(({ name }) => name === column.name));
  const newColumns = missing.map((column) => toColumn(queryRunner, column));
  // SQLite would copy the whole table for an empty list.
  if (newColumns.length > 0) await queryRunner.addColumns(account, newColumns);
  const wanted = accountIndices.map((names) => toIndex(queryRunner, account, names));
  const absent = wanted.filter((index) => !indices.some(({ name }) => name === index.name));
  if (absent.length > 0) await queryRunner.createIndices(account, absent);
  if (added !== undefined) await queryRunner.createTable(toTable(queryRunner, added, table!));
}

/** Undoes {@link addToSchema}. */
export async function removeFromSchema(
  queryRunner: QueryRunner,
  { accountColumns, accountIndices = [], table }: SchemaAddition,
): Promise<void> {
  const account = prefixed(queryRunner, ACCOUNT);
  if (table) await queryRunner.dropTable(prefixed(queryRunner, table.name));
  for (const names of accountIndices) await queryRunner.dropIndex(account, toIndex(queryRunner, account, names));
  const columns = accountColumns.map((column) => toColumn(queryRunner, column));
  if (columns.length > 0) await queryRunner.dropColumns(account, columns);
}

/** The escaped name of a table of the library, with prefix and schema, for a statement. */
export function tablePath(queryRunner: QueryRunner, name: string): string {
  const { driver, options } = sourceOf(queryRunner);
  const schema = 'schema' in options ? options.schema : undefined;
  const path = driver.buildTableName(prefixed(queryRunner, name), schema);
  return path
    .split('.')
    .map((part) => driver.escape(part))
    .join('.');
}

// The name carries the prefix (S74).
function toIndex(queryRunner: QueryRunner, table: string, [...columnNames]: readonly string[]): TableIndex {
  return new TableIndex({ name: sourceOf(queryRunner).namingStrategy.indexName(table, columnNames), columnNames });
}

/** The DataSource of the runner. TypeORM 1 calls it `dataSource`, TypeORM 0.3 `connection`. */
function sourceOf(queryRunner: QueryRunner): QueryRunner['dataSource'] {
  return queryRunner.dataSource ?? (queryRunner as unknown as { connection: QueryRunner['dataSource'] }).connection;
}

function prefixed(queryRunner: QueryRunner, name: string): string {
  const { options, namingStrategy } = sourceOf(queryRunner);
  return options.entityPrefix ? namingStrategy.prefixTableName(options.entityPrefix, name) : name;
}

function toTable(
  queryRunner: QueryRunner,
  name: string,
  { columns, indices }: NonNullable<SchemaAddition['table']>,
): Table {
  const { namingStrategy } = sourceOf(queryRunner);
  return new Table({
    name,
    columns: columns.map((column) => toColumn(queryRunner, column)),
    // The names carry the prefix (S74).
    indices: indices.map(
      ({ columns: [...columnNames], isUnique }) =>
        new TableIndex({ name: namingStrategy.indexName(name, columnNames), columnNames, isUnique }),
    ),
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

function tableExists(table: string, content: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', {
    message:
      `The table "${table}" already exists although the migration that creates it is not recorded: \`synchronize\` made ` +
      'it, or your own migration that `migration:generate` wrote before this one had run. Nothing was changed. Turn ' +
      '`synchronize` off, delete the statements on the mfa_* tables from your own migration, drop this table ' +
      `(${content} are lost), and run the migrations again. For a table of your own give MFA an ` +
      '`entityPrefix` or a DataSource of its own.',
  });
}
