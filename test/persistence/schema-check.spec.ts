import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm';
import { MFA_ENTITIES, MfaUsageEntity } from '../../libs/mfa/src/persistence/entities/index.js';
import { MFA_MIGRATIONS } from '../../libs/mfa/src/persistence/migrations/index.js';
import { checkSchema } from '../../libs/mfa/src/persistence/schema-check.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

@Entity({ name: 'host_user' })
class HostUser {
  @PrimaryColumn({ type: 'int' })
  id!: number;

  @Column({ type: 'varchar', length: 20 })
  name!: string;
}

describe.each(testDatabases)('schema check on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  const logger = { warn: vi.fn<(message: string) => void>() };

  beforeEach(async () => {
    logger.warn.mockReset();
    database = await createDatabase(kind);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await dataSource.destroy();
    await database.drop();
  });

  const open = async (extra: Partial<DataSourceOptions> = {}) => {
    const options = { ...database.options, entities: MFA_ENTITIES, ...extra } as DataSourceOptions;
    dataSource = await new DataSource(options).initialize();
  };
  const warnings = () => logger.warn.mock.calls.map(([message]) => message);

  it.each([
    ['plain settings', {}],
    ['another migrations table and a prefix', { migrationsTableName: 'host_migrations', entityPrefix: 'acme_' }],
    ['synchronize beside the migrations', { synchronize: true, migrationsRun: true }],
  ])('logs nothing after the migrations, with %s', async (_, extra) => {
    dataSource = await openMfaDataSource(database, extra);
    await checkSchema(dataSource, logger);
    expect(warnings()).toEqual([]);
  });

  it('runs four queries on correct tables, and two more about the settings of MariaDB', async () => {
    dataSource = await openMfaDataSource(database);
    const asked = vi.spyOn(dataSource.logger, 'logQuery');
    await checkSchema(dataSource, logger);
    expect(asked).toHaveBeenCalledTimes(kind === 'mariadb' ? 6 : 4);
  });

  it('names the one table that is missing', async () => {
    dataSource = await openMfaDataSource(database);
    await dataSource.query('DROP TABLE mfa_usage');
    await expect(checkSchema(dataSource, logger)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/^The table "[^"]*mfa_usage" does not exist/),
    });
  });

  it('refuses a DataSource without the entities, and names both remedies', async () => {
    await open({ entities: [HostUser, MfaUsageEntity] });
    await expect(checkSchema(dataSource, logger)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/MfaAccountEntity, .*autoLoadEntities: true.*entities: \[\.\.\.MFA_ENTITIES/s),
    });
  });

  it('refuses missing tables, and names the remedy', async () => {
    await open();
    await expect(checkSchema(dataSource, logger)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(
        /mfa_account" does not exist.*MFA_MIGRATIONS.*migration:run.*migrationsRun: true/s,
      ),
    });
  });

  it('refuses a table of an older version', async () => {
    dataSource = await openMfaDataSource(database);
    await dataSource.query('ALTER TABLE mfa_usage DROP COLUMN spent_at');
    await expect(checkSchema(dataSource, logger)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/mfa_usage" lacks a column.*MFA_MIGRATIONS/s),
    });
  });

  it.each([
    ['passkeys', 1, 'account" lacks a column', 'AddMfaPasskeys\\d{13}, AddMfaPolicies\\d{13}, AddMfaDevices\\d{13}, '],
    ['policies', 2, 'account" lacks a column', 'AddMfaPolicies\\d{13}, AddMfaDevices\\d{13}, '],
    ['devices', 3, 'account" lacks a column', 'AddMfaDevices\\d{13}, '],
    ['administration', 4, 'account" lacks a column', ''],
    ['the audit table', 5, 'account" lacks a column', null],
  ])('refuses the tables of the version without %s, and names what has not run', async (_, ran, problem, missing) => {
    const before = missing === null ? '' : `${missing}AddMfaAdministration\\d{13}, `;
    dataSource = await openMfaDataSource(database, { migrations: MFA_MIGRATIONS.slice(0, ran) });
    await expect(checkSchema(dataSource, logger)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(
        new RegExp(`mfa_${problem}.*Not run yet: ${before}AddMfaAudit\\d{13}\\. .*migration:run`, 's'),
      ),
    });
  });

  it.runIf(kind === 'mariadb')(
    'S42 refuses tables of synchronize, whose collation equates "ALICE" and "alice"',
    async () => {
      await open({ synchronize: true });
      await expect(checkSchema(dataSource, logger)).rejects.toMatchObject({
        code: 'MFA_MISCONFIGURED',
        message: expect.stringMatching(
          /compares user ids without regard to case.*drop the mfa_\* tables.*MFA_MIGRATIONS/s,
        ),
      });
    },
  );

  it.runIf(kind !== 'mariadb')('warns of tables that synchronize created', async () => {
    await open({ synchronize: true });
    await checkSchema(dataSource, logger);
    expect(warnings()).toEqual([expect.stringMatching(/`synchronize` is on.*drop the mfa_\* tables/s)]);
  });

  it.runIf(kind !== 'mariadb')('warns of migrations that are not recorded', async () => {
    await open();
    await dataSource.synchronize();
    await checkSchema(dataSource, logger);
    expect(warnings()).toEqual([expect.stringMatching(/does not record CreateMfaTables\d{13}/)]);
    await expect(dataSource.query('SELECT 1 FROM migrations')).rejects.toThrow();
  });

  it.each([
    ['production', true],
    ['development', false],
  ])('S34b detects whether SQLite is shared in %s', async (environment, production) => {
    vi.stubEnv('NODE_ENV', environment);
    await open({ entities: [...MFA_ENTITIES, HostUser], migrations: MFA_MIGRATIONS, migrationsRun: true });
    await checkSchema(dataSource, logger);
    const expected = kind === 'sqlite' && production ? [expect.stringMatching(/DataSource and a file of its own/)] : [];
    expect(warnings()).toEqual(expected);
  });

  it('accepts a separate SQLite DataSource in production', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    dataSource = await openMfaDataSource(database);
    await checkSchema(dataSource, logger);
    expect(warnings()).toEqual([]);
  });
});
