import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DataSource, type DataSourceOptions, EventSubscriber } from 'typeorm';
import { DEFAULT_ATTEMPT_POLICY } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { MFA_ENTITIES } from '../../libs/mfa/src/persistence/entities/index.js';
import { StatementTemplates } from '../../libs/mfa/src/persistence/postgres/statement-templates.js';
import { dialectOf, sql } from '../../libs/mfa/src/persistence/statements/sql.js';
import { TypeOrmAccountStore, TypeOrmAuthenticatorStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { PostgresAccountStore } from '../../libs/mfa/src/persistence/postgres/postgres-account.store.js';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';
import { authenticator } from './rows.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;

/** A logger of TypeORM, and what it was told of the statements of the login path. */
function listening() {
  const told: string[] = [];
  const note =
    (kind: string) =>
    (...[first, second]: unknown[]) => {
      const text = String(kind === 'error' ? second : first);
      if (text.includes('WITH')) told.push(kind);
    };
  const silent = () => undefined;
  const logger = {
    ...{ logQuery: note('query'), logQueryError: note('error') },
    ...{ logQuerySlow: silent, logSchemaBuild: silent, logMigration: silent, log: silent },
  };
  return { told, logger };
}

interface Connection {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/** Tags every statement with the request that sent it, for the log of the database. */
function tagStatements(source: DataSource): void {
  const driver = source.driver as unknown as { obtainMasterConnection(): Promise<[Connection, unknown]> };
  const obtain = driver.obtainMasterConnection.bind(driver);
  let request = 0;
  driver.obtainMasterConnection = async () => {
    const [client, release] = await obtain();
    const tagged = new Proxy(client, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'query') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (text: string, values?: unknown[]) => target.query(`/* request ${++request} */ ${text}`, values);
      },
    });
    return [tagged, release];
  };
}

describe.skipIf(!testDatabases.includes('postgres'))('statements by name on postgres', () => {
  let database: TestDatabase;
  let source: DataSource;
  const user = { id: '', totp: '' };

  beforeEach(async () => {
    database = await createDatabase('postgres');
  });
  afterEach(async () => {
    await source.destroy();
    await database.drop();
  });

  /** A user on a DataSource with one connection only, which knows no name yet. */
  async function open(extra: object = {}, id = `user-${randomUUID()}`) {
    const options = { poolSize: 1, ...extra } as Partial<DataSourceOptions>;
    source = await openMfaDataSource(database, options);
    user.id = id;
    await new TypeOrmAccountStore(source).open(user.id, NOW);
    const added = authenticator(user.id, { digits: 6 });
    await new TypeOrmAuthenticatorStore(source).add(added);
    await new TypeOrmAccountStore(source).commit(user.id, NOW, { activeFactors: [{ type: 'totp', id: added.id }] });
    user.totp = added.id;
    return new PostgresVerificationStore(source);
  }

  const begin = (store: PostgresVerificationStore) =>
    store.reserveAttempt({ userId: user.id, budget: 'totp', rows: 'authenticators', digits: 6, policy, nowMs: NOW });
  const complete = (store: PostgresVerificationStore, item: string) =>
    store.spendAndSettle({
      ...{
        userId: user.id,
        securityStamp: NOW,
        budget: 'totp',
        use: { rows: 'authenticators', id: user.totp },
        endsRecovery: false,
        policy,
        nowMs: NOW,
      },
      entries: [{ kind: 'totp', item, expiresAtMs: NOW + 1 }],
    });
  const failures = async () =>
    Number(
      (await source.query('SELECT totp_failures FROM mfa_account WHERE user_id = $1', [user.id]))[0].totp_failures,
    );
  const names = async (): Promise<{ name: string; runs: number }[]> =>
    source.query(
      `SELECT name, (generic_plans + custom_plans)::int AS runs FROM pg_prepared_statements WHERE name LIKE 'mfa%' ORDER BY runs`,
    );

  it('are parsed once per connection, and get a generic plan after some runs', async () => {
    const store = await open();
    for (let run = 0; run < 8; run++) {
      expect((await begin(store)).reserved).toBe(true);
      expect(await complete(store, `code:${run}`)).toBe(true);
    }
    expect((await names()).map(({ runs }) => runs)).toEqual([8, 8]);
    const planned = await source.query('SELECT SUM(generic_plans)::int AS generic FROM pg_prepared_statements');
    expect(planned[0].generic).toBeGreaterThanOrEqual(6);
  });

  it('S29 S50 are sent without a name from then on when a pooler changed the connection, and nothing is counted or spent twice', async () => {
    const { told, logger } = listening();
    const store = await open({ logger });
    await begin(store);
    expect(await complete(store, 'code:1')).toBe(true);
    await source.query('DEALLOCATE ALL');
    expect((await begin(store)).reserved).toBe(true);
    expect(await failures()).toBe(1);
    expect(await complete(store, 'code:2')).toBe(true);
    expect(await failures()).toBe(0);
    expect(told).toEqual(['query', 'query', 'query', 'error', 'query', 'query']);
    expect(await complete(store, 'code:1')).toBe(false);
    expect(await names()).toEqual([]);
  });

  it('are sent without a name where another client of a pooler took the name', async () => {
    const first = await open();
    await begin(first);
    const [known] = await names();
    await source.destroy();
    const store = await open();
    // What the session of a pooler holds already, `pg` cannot know.
    await source.query(`PREPARE "${known!.name}" AS SELECT 1`);
    expect((await begin(store)).reserved).toBe(true);
    expect(await failures()).toBe(1);
  });

  it('are sent without a name after a migration changed the type of a column', async () => {
    const store = await open();
    for (let run = 0; run < 8; run++) {
      await begin(store);
      await complete(store, `code:${run}`);
    }
    await source.query('ALTER TABLE mfa_account ALTER COLUMN backup_set_id TYPE varchar(40)');
    expect((await begin(store)).reserved).toBe(true);
    expect(await failures()).toBe(1);
  });

  it('S30 report other failures as every statement does', async () => {
    const store = await open();
    await source.query('ALTER TABLE mfa_usage RENAME TO away');
    const refusal = { name: 'QueryFailedError', driverError: { code: '42P01' } };
    await expect(complete(store, 'code:1')).rejects.toMatchObject(refusal);
  });

  it.each([
    ['uuid', 'user_id::uuid'],
    ['bigint', 'user_id::bigint'],
  ])(
    'are sent without a name after a migration made the user ids %s, because a prepared statement keeps the old type',
    async (type, using) => {
      const store = await open({}, type === 'uuid' ? randomUUID() : '7');
      const accounts = new PostgresAccountStore(source);
      const verify = async (item: string) => [
        (await accounts.load(user.id, item)) !== null,
        (await begin(store)).reserved,
        await complete(store, item),
      ];
      expect(await verify('code:1')).toEqual([true, true, true]);
      for (const { tableName } of MFA_ENTITIES.map((entity) => source.getMetadata(entity))) {
        await source.query(`ALTER TABLE ${tableName} ALTER COLUMN user_id TYPE ${type} USING ${using}`);
      }
      expect(await verify('code:2')).toEqual([true, true, true]);
      expect(await verify('code:3')).toEqual([true, true, true]);
      expect(await failures()).toBe(0);
    },
  );

  const heard: string[] = [];
  class Subscriber {
    beforeQuery({ query }: { query: string }) {
      heard.push(query);
    }
  }
  EventSubscriber()(Subscriber);

  it('are reported to subscribers, like every statement of the query runner', async () => {
    const store = await open({ subscribers: [Subscriber] });
    expect((await begin(store)).reserved).toBe(true);
    expect(heard.filter((query) => query.includes('WITH reserved'))).toHaveLength(1);
    expect(await names()).toHaveLength(1);
  });

  it('are sent without a name where the host supplies the driver', async () => {
    const store = await open({ driver: createRequire(import.meta.url)('pg') as object });
    expect((await begin(store)).reserved).toBe(true);
    expect(await names()).toEqual([]);
  });

  it('are sent without a name on connections of the host that accept only a text and its values', async () => {
    const store = await open();
    tagStatements(source);
    expect((await begin(store)).reserved).toBe(true);
    expect((await begin(store)).reserved).toBe(true);
    expect(await names()).toEqual([]);
  });

  it('leave the settings of the connection unchanged', async () => {
    const store = await open();
    await begin(store);
    const runner = source.createQueryRunner();
    const client = (await runner.connect()) as object;
    await runner.release();
    expect(Object.hasOwn(client, 'query')).toBe(false);
  });

  it('are logged, with their errors', async () => {
    const { told, logger } = listening();
    const store = await open({ logger });
    await begin(store);
    await complete(store, 'code:1');
    await complete(store, 'code:1');
    expect(told).toEqual(['query', 'query', 'query', 'error']);
  });

  it('S34b do not run in a transaction of the host', async () => {
    const store = await open({ poolSize: 2 });
    await source.transaction(async (host) => {
      await host.query('SELECT 1');
      await begin(store);
    });
    expect(await failures()).toBe(1);
  });
});

describe('prepared statements', () => {
  const source = {
    options: { type: 'postgres' },
    driver: { escape: (name: string) => name },
    getMetadata: () => ({ tablePath: 'mfa_table' }),
  } as unknown as DataSource;
  const bind = (userId: string, securityStamp?: number) =>
    new StatementTemplates(dialectOf(source)).bind({ scope: source, kind: 'x' }, { userId, securityStamp }, (slots) => {
      return sql`SELECT ${slots.userId} ${slots.securityStamp ? sql`, ${slots.securityStamp}` : sql``}, ${slots.userId}, ${7}`;
    });

  it('S43 have the same text and name for the same shape of values, and different ones for another', () => {
    expect(bind('anna')).toEqual({ ...bind('bert'), parameters: ['anna', 7] });
    expect(bind('anna', 0).text).toBe('SELECT $1 , $2, $1, $3');
    expect(bind('anna', 0).parameters).toEqual(['anna', 0, 7]);
    expect(bind('anna', 0).name).not.toBe(bind('anna').name);
    expect(bind('anna').name).toMatch(/^[\w-]{1,63}$/);
  });

  it('S24 bind no value that a driver might expand', () => {
    expect(() => bind({ toPostgres: () => "'" } as never)).toThrow(TypeError);
  });
});
