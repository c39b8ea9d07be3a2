import type { DataSource, QueryRunner } from 'typeorm';
import { MfaError } from '../domain/mfa-error.js';
import { isUnavailable } from './statements/database-errors.js';
import { dialectOf, escapePath } from './statements/sql.js';
import { MFA_ENTITIES, MfaAccountEntity } from './entities/index.js';
import { rememberGalera } from './stores/galera.js';
import { MFA_MIGRATIONS } from './migrations/index.js';
import { checkResults } from './statements/result-check.js';
import { StatementRunner } from './statements/statement-runner.js';

/** Receives the warnings of the check. */
export interface SchemaCheckLogger {
  warn(message: string): void;
}

type MfaEntities = readonly (typeof MFA_ENTITIES)[number][];

const MIGRATION_REMEDY =
  'Add `...MFA_MIGRATIONS` (from `nestjs-mfa/migrations`) to the `migrations` of the DataSource and run ' +
  '`typeorm migration:run`, or set `migrationsRun: true`.';

/**
 * Looks at start-up whether the DataSource can hold what the library stores. Entities that are not
 * registered and tables or columns that are missing are `MFA_MISCONFIGURED`; what works but will hurt
 * later is a warning.
 */
export async function checkSchema(dataSource: DataSource, logger: SchemaCheckLogger): Promise<void> {
  requireInitialized(dataSource);
  requireEntities(dataSource);
  requireGivenNames(dataSource);
  const statements = new StatementRunner(dataSource);
  await statements.withConnection(async (runner) => {
    await requireTables(dataSource, runner);
    if (dialectOf(dataSource).family === 'mysql') await requireMysqlSettings(dataSource, runner, logger);
  });
  // After the modes of the server, which also change results, and whose error names the remedy.
  await checkResults(statements);
  const recorded = await statements.withConnection((runner) => recordedMigrations(dataSource, runner));
  warnings(dataSource, recorded).forEach((message) => logger.warn(message));
}

/** Before that a DataSource knows no entity, whatever is registered. */
function requireInitialized(dataSource: DataSource): void {
  if (dataSource.isInitialized) return;
  throw misconfigured(
    'The DataSource is not initialized when the application starts. If `manualInitialization: true` is set in ' +
      'TypeOrmModule, remove it, or initialize the DataSource in its `dataSourceFactory`.',
  );
}

function requireEntities(dataSource: DataSource): void {
  const missing = MFA_ENTITIES.filter((entity) => !dataSource.hasMetadata(entity)).map(({ name }) => name);
  if (missing.length === 0) return;
  throw misconfigured(
    `The DataSource does not know ${missing.join(', ')}. Set \`autoLoadEntities: true\` in TypeOrmModule.forRoot, ` +
      'or list them: `entities: [...MFA_ENTITIES, ...mine]`.',
  );
}

/** The statements and the migration use the names that the entities give, with the `entityPrefix` for tables. */
function requireGivenNames(dataSource: DataSource): void {
  const { entityPrefix } = dataSource.options;
  for (const entity of MFA_ENTITIES) {
    const { givenTableName = '', tableName, columns } = dataSource.getMetadata(entity);
    const expected = entityPrefix
      ? dataSource.namingStrategy.prefixTableName(entityPrefix, givenTableName)
      : givenTableName;
    requireName('tableName', expected, tableName);
    for (const { givenDatabaseName, databaseName } of columns) {
      requireName('columnName', givenDatabaseName ?? databaseName, databaseName);
    }
  }
}

function requireName(method: 'tableName' | 'columnName', given: string, actual: string): void {
  if (given === actual) return;
  throw misconfigured(
    `The naming strategy of the DataSource renames "${given}", which is given in an entity, to "${actual}". Let its ` +
      `\`${method}\` return a given name unchanged, as TypeORM's DefaultNamingStrategy does.`,
  );
}

/** Asks table by table only where the one statement for all of them fails. */
async function requireTables(dataSource: DataSource, runner: QueryRunner): Promise<void> {
  const failure = await failureToRead(MFA_ENTITIES, dataSource, runner);
  if (failure === null) return;
  for (const entity of MFA_ENTITIES) {
    const cause = await failureToRead([entity], dataSource, runner);
    if (cause === null) continue;
    const { tablePath } = dataSource.getMetadata(entity);
    const problem = (await runner.hasTable(tablePath))
      ? `The table "${tablePath}" lacks a column or cannot be read: it is older than this version of nestjs-mfa, or not its own`
      : `The table "${tablePath}" does not exist`;
    throw misconfigured(`${problem}. ${await migrationRemedy(dataSource, runner)}`, cause);
  }
  throw misconfigured(`The MFA tables cannot be read. ${await migrationRemedy(dataSource, runner)}`, failure);
}

/** The remedy for tables that do not fit, with the names of the migrations that did not run. */
async function migrationRemedy(dataSource: DataSource, runner: QueryRunner): Promise<string> {
  const missing = unrecordedIn(await recordedMigrations(dataSource, runner));
  return missing.length === 0 ? MIGRATION_REMEDY : `Not run yet: ${missing.join(', ')}. ${MIGRATION_REMEDY}`;
}

/**
 * What a statement fails with that names every column and reads nothing; `null` = it succeeds. Questions to the
 * catalogue would be slower.
 */
async function failureToRead(entities: MfaEntities, dataSource: DataSource, runner: QueryRunner): Promise<unknown> {
  const { table } = dialectOf(dataSource);
  const columns = entities.flatMap((entity, position) =>
    dataSource
      .getMetadata(entity)
      .columns.map(({ givenDatabaseName, databaseName }) => `t${position}.${givenDatabaseName ?? databaseName}`),
  );
  const tables = entities.map((entity, position) => `${table(entity)} t${position}`);
  try {
    await runner.query(`SELECT ${columns.join(', ')} FROM ${tables.join(', ')} WHERE 1 = 0`);
    return null;
  } catch (error) {
    if (isUnavailable(error)) throw error;
    return error;
  }
}

/**
 * Modes under which this library's statements mean something else: the driver escapes with backslashes, an empty
 * list of authenticators is not NULL, and `%` is an operator.
 */
const UNSUPPORTED_MODES = ['NO_BACKSLASH_ESCAPES', 'EMPTY_STRING_IS_NULL', 'ORACLE'];

/** MySQL and MariaDB: what no statement could make up for. */
async function requireMysqlSettings(
  dataSource: DataSource,
  runner: QueryRunner,
  logger: SchemaCheckLogger,
): Promise<void> {
  const variables: { Variable_name: string; Value: string }[] = await runner.query(
    `SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_mode', 'wsrep_on', 'wsrep_sync_wait')`,
  );
  const setting = (name: string) => variables.find(({ Variable_name }) => Variable_name === name)?.Value ?? '';
  if (rememberGalera(dataSource, variables) && Number(setting('wsrep_sync_wait')) % 2 === 0)
    logger.warn(UNSYNCED_READS);
  const unsupported = UNSUPPORTED_MODES.find((mode) => setting('sql_mode').split(',').includes(mode));
  if (unsupported) {
    throw misconfigured(
      `The database runs with sql_mode ${unsupported}, which is not supported. Take it out of sql_mode.`,
    );
  }
  const { tableName } = dataSource.getMetadata(MfaAccountEntity);
  const [column]: { collation: string }[] = await runner.query(
    `SELECT COLLATION_NAME AS collation FROM information_schema.columns
     WHERE table_schema = DATABASE() AND table_name = ? AND column_name = 'user_id'`,
    [tableName],
  );
  if (column && !column.collation.endsWith('_bin')) {
    throw misconfigured(
      `The table "${tableName}" compares user ids without regard to case (collation ${column.collation}), so that one user ` +
        'could change the second factor of another. `synchronize` made it: turn that off, drop the mfa_* tables, and ' +
        `create them by the migration. ${MIGRATION_REMEDY}`,
    );
  }
}

/** The names in the host's migrations table; empty when the table does not exist. */
async function recordedMigrations(dataSource: DataSource, runner: QueryRunner): Promise<Set<unknown>> {
  const { options, driver } = dataSource;
  const schema = 'schema' in options ? options.schema : undefined;
  const path = driver.buildTableName(options.migrationsTableName ?? 'migrations', schema);
  try {
    const rows: { name: unknown }[] = await runner.query(`SELECT name FROM ${escapePath(dataSource, path)}`);
    return new Set(rows.map(({ name }) => name));
  } catch (error) {
    // Asked afterwards, because the catalogue is slow and the table nearly always there.
    if (await runner.hasTable(path)) throw error;
    return new Set();
  }
}

function warnings(dataSource: DataSource, recorded: ReadonlySet<unknown>): string[] {
  const unrecorded = unrecordedIn(recorded);
  return [
    ...(unrecorded.length === 0 ? [] : [tableWarning(dataSource, unrecorded)]),
    ...(isSharedSqliteInProduction(dataSource) ? [SHARED_SQLITE] : []),
  ];
}

function unrecordedIn(recorded: ReadonlySet<unknown>): string[] {
  return MFA_MIGRATIONS.map((Migration) => new Migration().name).filter((name) => !recorded.has(name));
}

function tableWarning(dataSource: DataSource, unrecorded: readonly string[]): string {
  if (!dataSource.options.synchronize) {
    return (
      `The MFA tables exist, but the migrations table does not record ${unrecorded.join(', ')}, so the next ` +
      '`migration:run` will stop there. If `synchronize` made the tables, drop the mfa_* tables and run the ' +
      'migrations, or record these migrations as run.'
    );
  }
  return (
    '`synchronize` is on and made the MFA tables; later migrations of nestjs-mfa cannot build on them. ' +
    `Before production turn it off, drop the mfa_* tables and run the migrations. ${MIGRATION_REMEDY}`
  );
}

const UNSYNCED_READS =
  'The database is a Galera cluster without `wsrep_sync_wait`: a node may not see yet what another one has just ' +
  'committed, such as a first authenticator, and then require no second step. Set `wsrep_sync_wait = 1` (or 3, 7) on ' +
  'every node, or send all connections of the MFA DataSource to one node.';

const SHARED_SQLITE =
  'The MFA tables share a SQLite DataSource with other entities. SQLite has one connection a DataSource, so a ' +
  'rollback of your transaction takes spent codes and attempt counts of concurrent requests with it. ' +
  'Give MFA a DataSource and a file of its own, or use PostgreSQL, MySQL or MariaDB.';

function isSharedSqliteInProduction(dataSource: DataSource): boolean {
  const own = new Set<unknown>(MFA_ENTITIES);
  const shared = dataSource.entityMetadatas.some(({ target }) => !own.has(target));
  return shared && dialectOf(dataSource).family === 'sqlite' && process.env.NODE_ENV === 'production';
}

function misconfigured(message: string, cause?: unknown): MfaError {
  return new MfaError('MFA_MISCONFIGURED', { message, cause });
}
