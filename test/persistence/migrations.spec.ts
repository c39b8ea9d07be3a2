import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataSource, type DataSourceOptions, DefaultNamingStrategy, type EntityMetadata } from 'typeorm';
import { EMPTY_BUDGET } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { MFA_ENTITIES } from '../../libs/mfa/src/persistence/entities/index.js';
import { MFA_MIGRATIONS } from '../../libs/mfa/src/persistence/migrations/index.js';
import { TypeOrmAccountStore, TypeOrmUsageStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const FIRST_TABLES = ['mfa_account', 'mfa_authenticator', 'mfa_backup_code', 'mfa_usage'];

/** What each later migration adds: a table, and columns of mfa_account. */
const ADDITIONS = [
  {
    name: 'passkeys',
    before: MFA_MIGRATIONS.slice(0, 1),
    table: 'mfa_passkey',
    columns: ['user_handle', 'other_failures', 'other_locked_until', 'other_daily_tat'],
    content: 'registered passkeys',
  },
  {
    name: 'policies',
    before: MFA_MIGRATIONS.slice(0, 2),
    table: 'mfa_policy_seen',
    columns: [
      ...['must_enroll_since', 'recovery_hash', 'recovery_expires_at'],
      ...['recovery_code_failures', 'recovery_code_locked_until', 'recovery_code_daily_tat'],
    ],
    content: 'the times at which users were first seen under a policy',
  },
  {
    name: 'devices',
    before: MFA_MIGRATIONS.slice(0, 3),
    table: 'mfa_device',
    columns: [],
    content: 'trusted devices',
  },
  {
    name: 'the audit table',
    before: MFA_MIGRATIONS.slice(0, 5),
    table: 'mfa_audit',
    columns: ['last_change', 'last_change_id'],
    content: 'the events of the past',
  },
] as const;

/** What the last migration adds to mfa_account. */
const SUMMARY = ['locked_until', 'most_failures', 'backup_codes_left', 'moved_from'];

const TABLES = [...FIRST_TABLES, ...ADDITIONS.map(({ table }) => table)].sort();
const NOW = 1_800_000_000_000;

/** Names everything in snake case, and prefixes the columns of embedded objects, as popular packages do. */
class SnakeNamingStrategy extends DefaultNamingStrategy {
  private snake = (name: string) => name.replace(/([a-z\d])([A-Z])/g, '$1_$2').toLowerCase();

  override tableName(className: string, customName?: string): string {
    return customName ?? this.snake(className);
  }

  override columnName(property: string, customName: string | undefined, prefixes: string[]): string {
    return this.snake(prefixes.concat(customName ?? property).join('_'));
  }
}

const SETTINGS: [string, Partial<DataSourceOptions>, string][] = [
  ['plain settings', {}, ''],
  ['an entity prefix', { entityPrefix: 'acme_' }, 'acme_'],
  ['a naming strategy of the host', { namingStrategy: new SnakeNamingStrategy() }, ''],
  ['a naming strategy and a prefix', { namingStrategy: new SnakeNamingStrategy(), entityPrefix: 'acme_' }, 'acme_'],
];

describe.each(testDatabases)('migrations on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource | undefined;

  beforeEach(async () => {
    database = await createDatabase(kind);
  });

  afterEach(async () => {
    if (dataSource?.isInitialized) await dataSource.destroy();
    await database.drop();
  });

  const open = async (extra: Partial<DataSourceOptions>) => {
    const options = { ...database.options, entities: MFA_ENTITIES, migrations: MFA_MIGRATIONS, ...extra };
    return (dataSource = await new DataSource(options as DataSourceOptions).initialize());
  };

  /** What `migration:generate` would write: nothing, when entities and tables agree. */
  const drift = async (source: DataSource) =>
    (await source.driver.createSchemaBuilder().log()).upQueries.map(({ query }) => query);

  const undoTo = async (source: DataSource, left: number) => {
    for (let ran = MFA_MIGRATIONS.length; ran > left; ran--) await source.undoLastMigration();
  };

  const existing = async (source: DataSource, names: string[]) => {
    const runner = source.createQueryRunner();
    const found: string[] = [];
    for (const name of names) if (await runner.hasTable(name)) found.push(name);
    await runner.release();
    return found;
  };

  it.each(SETTINGS)('go up, down and up again without drift, with %s', async (_, settings, prefix) => {
    const source = await open(settings);
    const names = TABLES.map((name) => prefix + name);
    expect(await drift(source)).not.toEqual([]);

    await source.runMigrations();
    expect(await drift(source)).toEqual([]);
    expect(await existing(source, names)).toEqual(names);

    await undoTo(source, 0);
    expect(await existing(source, names)).toEqual([]);

    await source.runMigrations();
    expect(await drift(source)).toEqual([]);
    await storesWork(source);
  });

  it('S74 create two copies of the tables in one schema, and drop one without the other', async () => {
    const [first, second] = ['first_', 'second_'].map((entityPrefix) => ({
      entityPrefix,
      migrationsTableName: `${entityPrefix}migrations`,
    }));
    const plain = await openMfaDataSource(database);
    const one = await openMfaDataSource(database, first);
    const two = await openMfaDataSource(database, second);
    for (const source of [plain, one, two]) {
      expect(await drift(source)).toEqual([]);
      await storesWork(source);
    }
    await undoTo(one, 0);
    for (const source of [plain, two]) {
      expect(await drift(source)).toEqual([]);
      await storesWork(source, 'ben');
    }
    for (const source of [plain, one, two]) await source.destroy();
  });

  it('S74 name no index or key that the naming strategy of the DataSource does not name', async () => {
    class Marked extends SnakeNamingStrategy {
      override indexName(...of: Parameters<DefaultNamingStrategy['indexName']>): string {
        return `marked_${super.indexName(...of)}`;
      }

      override primaryKeyName(...of: Parameters<DefaultNamingStrategy['primaryKeyName']>): string {
        return `marked_${super.primaryKeyName(...of)}`;
      }
    }
    const source = await open({ namingStrategy: new Marked() });
    await source.runMigrations();
    expect(await drift(source)).toEqual([]);
    const runner = source.createQueryRunner();
    const tables = await runner.getTables(TABLES);
    await runner.release();
    const names = tables.flatMap(({ indices }) => indices.map(({ name }) => name));
    expect(names).toHaveLength(17);
    expect(names.filter((name) => !name?.startsWith('marked_IDX_'))).toEqual([]);
  });

  it('refuse the tables of a pre-release, name the remedy, and change nothing', async () => {
    const source = await open({ migrations: ADDITIONS[0].before });
    await source.runMigrations();
    await source.query('ALTER TABLE mfa_authenticator DROP COLUMN setup_binding');
    await source.query('DELETE FROM migrations');
    await expect(source.runMigrations()).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/"mfa_authenticator" exists with other columns.*pre-release.*dropped.*imported/s),
    });
    expect(await existing(source, TABLES)).toEqual(FIRST_TABLES);
  });

  it.each(['all', 'each', 'none'] as const)('run with the transaction mode "%s"', async (migrationsTransactionMode) => {
    const source = await open({ migrationsTransactionMode });
    await source.runMigrations({ transaction: migrationsTransactionMode });
    expect(await drift(source)).toEqual([]);
  });

  it('create the same tables as synchronize', async () => {
    const source = await open({ synchronize: true });
    expect(await drift(source)).toEqual([]);
    await storesWork(source);
  });

  it('refuse tables that synchronize created, and change nothing', async () => {
    const source = await open({});
    await source.synchronize();
    const runner = source.createQueryRunner();
    for (const name of TABLES.slice(0, -1)) await runner.dropTable(name);
    await runner.release();
    await expect(source.runMigrations()).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(
        /"mfa_usage" already exists.*synchronize.*migration:generate.*drop the four tables.*record/s,
      ),
    });
    expect(await existing(source, TABLES)).toEqual(['mfa_usage']);
  });

  /** A database of an older version: its tables, and one account. */
  const openOlder = async (
    { before }: (typeof ADDITIONS)[number],
    settings: Partial<DataSourceOptions> = {},
    prefix = '',
  ) => {
    const older = await open({ ...settings, migrations: before });
    await older.runMigrations();
    const budgets = ['totp', 'backup_code', 'password', 'confirmation'].flatMap((factor) =>
      ['failures', 'locked_until', 'daily_tat'].map((column) => `${factor}_${column}`),
    );
    await older.query(
      `INSERT INTO ${prefix}mfa_account (user_id, security_stamp, row_version, active_ids, ${budgets.join(', ')})
       VALUES ('old', 7, 8, 'totp:a', ${budgets.map((_, position) => position + 1).join(', ')})`,
    );
    await older.destroy();
    return open(settings);
  };

  describe.each(ADDITIONS)('that add $name', (addition) => {
    const { before, table, columns, content } = addition;

    it.each(SETTINGS)('keep the accounts of an older version, up and down, with %s', async (_, settings, prefix) => {
      const source = await openOlder(addition, settings, prefix);
      await source.runMigrations();
      expect(await drift(source)).toEqual([]);
      const accounts = new TypeOrmAccountStore(source);
      const { account } = (await accounts.load('old'))!;
      expect(account).toMatchObject({ securityStamp: 7, activeFactors: [{ type: 'totp', id: 'a' }] });
      expect(account).toMatchObject({ userHandle: null, mustEnrollSinceMs: null, recovery: null });
      expect(account.budgets).toMatchObject({
        confirmation: { failures: 10, lockedUntilMs: 11, dailyTatMs: 12 },
        other: EMPTY_BUDGET,
        recovery_code: EMPTY_BUDGET,
      });

      await undoTo(source, before.length);
      expect(await existing(source, [prefix + table])).toEqual([]);
      const [row] = await source.query(`SELECT * FROM ${prefix}mfa_account`);
      expect(row).toMatchObject({ user_id: 'old', active_ids: 'totp:a', confirmation_failures: 10 });
      expect(Object.keys(row).filter((name) => columns.some((added) => added === name))).toEqual([]);
      await source.runMigrations();
      expect((await accounts.load('old'))!.account).toEqual(account);
    });

    it.runIf(columns.length > 0)('add what a run that stopped half-way did not add', async () => {
      const source = await openOlder(addition);
      const failures = columns.find((name) => name.endsWith('_failures'));
      const partial = failures ? `${failures} integer NOT NULL DEFAULT 0` : `${columns[0]} text`;
      await source.query(`ALTER TABLE mfa_account ADD COLUMN ${partial}`);
      await source.runMigrations();
      expect(await drift(source)).toEqual([]);
    });

    it.runIf(kind === 'mariadb')(
      'are repeated after any statement of a run on a database without transactions',
      async () => {
        const source = await openOlder(addition, { migrations: MFA_MIGRATIONS.slice(0, before.length + 1) });
        await source.runMigrations();
        // After each statement of the run: the first columns are there, the others and the table are not.
        for (let added = 0; added <= columns.length; added += 1) {
          await source.query(`DROP TABLE ${table}`);
          for (const column of columns.slice(added))
            await source.query(`ALTER TABLE mfa_account DROP COLUMN ${column}`);
          await source.query('DELETE FROM migrations ORDER BY id DESC LIMIT 1');
          await source.runMigrations();
        }
        await source.destroy();
        const all = await open({});
        await all.runMigrations();
        expect(await drift(all)).toEqual([]);
        await storesWork(all);
      },
    );

    it('refuse a table that synchronize created, and change nothing', async () => {
      const source = await openOlder(addition);
      await source.query(`CREATE TABLE ${table} (id int)`);
      await expect(source.runMigrations()).rejects.toMatchObject({
        code: 'MFA_MISCONFIGURED',
        message: expect.stringMatching(
          new RegExp(
            `${table}" already exists.*synchronize.*migration:generate.*drop this table.*${content} are lost`,
            's',
          ),
        ),
      });
      const [row] = await source.query('SELECT * FROM mfa_account');
      for (const column of columns) expect(row).not.toHaveProperty(column);
    });
  });

  describe('that add what administrators list', () => {
    /** The tables as of before this migration, with accounts in several states. */
    const openWithAccounts = async (settings: Partial<DataSourceOptions> = {}, prefix = '') => {
      const older = await open({ ...settings, migrations: MFA_MIGRATIONS.slice(0, 4) });
      await older.runMigrations();
      const budgets = ['totp', 'backup_code', 'password', 'confirmation', 'other', 'recovery_code'];
      const names = budgets.flatMap((factor) => [
        `${factor}_failures`,
        `${factor}_locked_until`,
        `${factor}_daily_tat`,
      ]);
      const insert = (userId: string, active: string, values: Record<string, number>) =>
        older.query(
          `INSERT INTO ${prefix}mfa_account (user_id, security_stamp, row_version, active_ids, backup_set_id, ${names.join()})
           VALUES ('${userId}', 7, 8, '${active}', 'set-${userId}', ${names.map((name) => values[name] ?? 0).join()})`,
        );
      await insert('locked', 'totp:a', { totp_failures: 5, totp_locked_until: 50, other_locked_until: 70 });
      await insert('failed', '', { recovery_code_failures: 9, password_failures: 3 });
      await insert('once', 'totp:a', { totp_failures: 1 });
      for (const id of ['1', '2', '3'])
        await older.query(
          `INSERT INTO ${prefix}mfa_backup_code (id, user_id, set_id, hash) VALUES ('${id}', 'once', 'set-once', 'h')`,
        );
      await older.query(
        `INSERT INTO ${prefix}mfa_backup_code (id, user_id, set_id, hash) VALUES ('4', 'once', 'old', 'h')`,
      );
      await older.query(
        `INSERT INTO ${prefix}mfa_usage (user_id, kind, item, spent_at) VALUES ('once', 'backup_code', '2', 5)`,
      );
      await older.destroy();
      return open(settings);
    };
    const summaries = async (source: DataSource, prefix = '') => {
      const rows: Record<string, unknown>[] = await source.query(
        `SELECT user_id, ${SUMMARY.join()} FROM ${prefix}mfa_account ORDER BY user_id`,
      );
      const number = (value: unknown) => (value === null ? null : Number(value));
      return rows.map(({ user_id, moved_from, ...rest }) => [user_id, ...Object.values(rest).map(number), moved_from]);
    };
    const EXPECTED = [
      ['failed', 0, 9, null, null],
      ['locked', 70, 5, 0, null],
      ['once', 0, 0, 2, null],
    ];

    it.each(SETTINGS)('compute it for accounts that exist, up and down, with %s', async (_, settings, prefix) => {
      const source = await openWithAccounts(settings, prefix);
      await source.runMigrations();
      expect(await drift(source)).toEqual([]);
      expect(await summaries(source, prefix)).toEqual(EXPECTED);
      // That of the audit table, then this one.
      await source.undoLastMigration();
      await source.undoLastMigration();
      const [row] = await source.query(`SELECT * FROM ${prefix}mfa_account`);
      expect(Object.keys(row).filter((name) => SUMMARY.includes(name))).toEqual([]);
      await source.runMigrations();
      expect(await summaries(source, prefix)).toEqual(EXPECTED);
      expect(await drift(source)).toEqual([]);
    });

    it('add what a run that stopped half-way did not add', async () => {
      const source = await openWithAccounts();
      await source.query('ALTER TABLE mfa_account ADD COLUMN most_failures integer NOT NULL DEFAULT 0');
      const index = source.namingStrategy.indexName('mfa_account', ['must_enroll_since', 'user_id']);
      await source.query(
        `CREATE INDEX ${kind === 'postgres' ? `"${index}"` : index} ON mfa_account (must_enroll_since, user_id)`,
      );
      await source.runMigrations();
      expect(await drift(source)).toEqual([]);
      expect(await summaries(source)).toEqual(EXPECTED);
    });

    it.runIf(kind === 'postgres')('compute it in the schema of the DataSource', async () => {
      const admin = await new DataSource(database.options).initialize();
      await admin.query('CREATE SCHEMA auth');
      await admin.destroy();
      const source = await openWithAccounts({ schema: 'auth' } as Partial<DataSourceOptions>, 'auth.');
      await source.runMigrations();
      expect(await summaries(source, 'auth.')).toEqual(EXPECTED);
      expect(await drift(source)).toEqual([]);
    });
  });

  it.runIf(kind === 'postgres')('create the tables in the schema of the DataSource', async () => {
    const admin = await new DataSource(database.options).initialize();
    await admin.query('CREATE SCHEMA auth');
    await admin.destroy();
    const source = await open({ schema: 'auth' } as Partial<DataSourceOptions>);
    await source.runMigrations();
    expect(
      await existing(
        source,
        TABLES.map((name) => `auth.${name}`),
      ),
    ).toHaveLength(8);
    expect(
      await existing(
        source,
        TABLES.map((name) => `public.${name}`),
      ),
    ).toEqual([]);
    expect(await drift(source)).toEqual([]);
    await storesWork(source);
  });

  it.runIf(kind === 'mariadb')('S42 give user ids a binary collation', async () => {
    const source = await openMfaDataSource(database);
    const columns: { collation: string }[] = await source.query(
      `SELECT COLLATION_NAME AS collation FROM information_schema.columns
       WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'user_id' AND TABLE_NAME LIKE 'mfa%'`,
    );
    expect(columns).toHaveLength(8);
    expect(new Set(columns.map(({ collation }) => collation))).toEqual(new Set(['utf8mb4_bin']));
    await source.destroy();
  });

  async function storesWork(source: DataSource, userId = 'anna'): Promise<void> {
    const accounts = new TypeOrmAccountStore(source);
    await accounts.open(userId, NOW);
    const token = { kind: 'token', item: 'token-id', expiresAtMs: NOW } as const;
    const spent = { userId, securityStamp: NOW, entries: [token], nowMs: NOW };
    expect(await new TypeOrmUsageStore(source).spend(spent)).toBe(true);
    expect(await accounts.load(userId, 'token-id')).toMatchObject({ tokenSpent: true });
  }
});

it('S42 every entity and every column gives its own name, independent of naming strategies', async () => {
  const database = await createDatabase('sqlite');
  const source = await openMfaDataSource(database);
  const metadatas = MFA_ENTITIES.map((entity) => source.getMetadata(entity));
  const unnamed = ({ columns, givenTableName }: EntityMetadata) =>
    givenTableName === undefined || columns.some(({ givenDatabaseName }) => givenDatabaseName === undefined);
  expect(metadatas.filter(unnamed)).toEqual([]);
  await source.destroy();
  await database.drop();
});
