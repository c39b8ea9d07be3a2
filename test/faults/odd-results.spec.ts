import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { MfaChallengeService, MfaStatusService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { createDatabase, testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

interface PgTypes {
  getTypeParser(oid: number, format?: string): (value: string) => unknown;
  setTypeParser(oid: number, parse: (value: string) => unknown): void;
}
const { types } = createRequire(import.meta.url)('pg') as { types: PgTypes };
const VARCHAR = 1043;

/** What `issue()` concludes for the user, in words. */
function conclusion(host: HostApp, userId: string): Promise<string> {
  const challenges = host.app.get(MfaChallengeService, { strict: false });
  return challenges.issue(userId).then(
    ({ mfaRequired }) => `mfaRequired: ${mfaRequired}`,
    ({ code }: { code?: string }) => `throws ${code}`,
  );
}

type Query = (text: string, parameters?: unknown[], structured?: boolean) => Promise<unknown>;

/** Wraps every query runner of the host, as tracing and tenant libraries do. */
function wrap({ dataSource }: Pick<HostApp, 'dataSource'>, wrapper: (query: Query) => Query): void {
  const create = DataSource.prototype.createQueryRunner.bind(dataSource);
  dataSource.createQueryRunner = (mode) => {
    const runner = create(mode);
    runner.query = wrapper(runner.query.bind(runner) as Query) as never;
    return runner;
  };
}

/** Written for TypeORM 0.2, which knew two parameters: the third one is dropped. */
const dropsStructured =
  (query: Query): Query =>
  (text, parameters) =>
    query(text, parameters);

describe.each(testDatabases)('a query runner that the host wrapped, on %s', (kind) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
    await new Client(host, 'owner').enroll();
  });
  afterAll(() => host.close());

  it('S43a S45 signs no enrolled user in without a second factor when it drops the structured result', async () => {
    wrap(host, dropsStructured);
    expect(await conclusion(host, 'owner')).toBe('throws MFA_MISCONFIGURED');
    const status = host.app.get(MfaStatusService, { strict: false });
    await expect(status.status('owner')).rejects.toMatchObject({ code: 'MFA_MISCONFIGURED' });
  });

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['an empty object', {}],
    ['raw rows only', { raw: [] }],
    ['an array', []],
    ['no rows', { affected: 0 }],
    ['undefined rows', { records: undefined, affected: 1 }],
    ['a row of another user', { records: [{ user_id: 'other', active_ids: '' }], affected: 1 }],
    ['a row without a user', { records: [{ active_ids: '' }], affected: 1 }],
    ['a row as an array', { records: [['owner', '']], affected: 1 }],
    ['a user id in bytes', { records: [{ user_id: Buffer.from('owner'), active_ids: '' }], affected: 1 }],
    [
      'a list of authenticators in bytes',
      { records: [{ user_id: 'owner', active_ids: Buffer.from('') }], affected: 1 },
    ],
    ['no list of authenticators', { records: [{ user_id: 'owner', active_ids: null }], affected: 1 }],
  ])('S43a S45 signs no enrolled user in without a second factor when it returns %s', async (_, result) => {
    wrap(host, () => async () => result);
    expect(await conclusion(host, 'owner')).toBe('throws MFA_MISCONFIGURED');
  });

  it('S42 S43a ignores rows whose user id differs in case or trailing spaces', async () => {
    const records = ['OWNER', 'owner '].map((user_id) => ({ user_id, active_ids: 'x' }));
    wrap(host, () => async () => ({ records, affected: 2 }));
    expect(await conclusion(host, 'owner')).toBe('mfaRequired: false');
  });
});

/** Drivers and pools that return something else than text for text, or not the whole result. */
const digitsAsNumbers = (_field: unknown, next: () => unknown) => {
  const value = next();
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
};
const digits = (value: string) => (/^\d{1,15}$/.test(value) ? Number(value) : value);
/** A pool whose connections parse texts in another way. */
const parsing = (parse: (value: string) => unknown) => ({
  extra: {
    types: { getTypeParser: (...of: [number, string]) => (of[0] === VARCHAR ? parse : types.getTypeParser(...of)) },
  },
});
const ODD_DRIVERS: [string, 'mariadb' | 'postgres', Record<string, unknown>][] = [
  ['mysql2 with a typeCast that makes numbers of digits', 'mariadb', { extra: { typeCast: digitsAsNumbers } }],
  ['pg with a parser that makes numbers of digits', 'postgres', parsing(digits)],
  ['pg with a parser that makes lower case', 'postgres', parsing((value) => value.toLowerCase())],
  ['pg with a parser that makes NULL of nothing', 'postgres', parsing((value) => value || null)],
];

describe.each(ODD_DRIVERS.filter(([, kind]) => testDatabases.includes(kind)))('%s', (_, kind, dataSource) => {
  it('S43a S75 ends the boot with an error that names the remedy', async () => {
    const database = await createDatabase(kind);
    try {
      await (await startHostApp({ on: database })).close();
      await expect(
        startHostApp({ on: database, dataSource: { ...dataSource, migrationsRun: false } }),
      ).rejects.toMatchObject({
        code: 'MFA_MISCONFIGURED',
        message: expect.stringMatching(/returned .*`typeCast`.*option `dataSource`/s),
      });
    } finally {
      await database.drop();
    }
  });
});

describe.runIf(testDatabases.includes('mariadb'))('mysql2 that returns text as bytes', () => {
  it.each([
    ['the charset "binary"', { charset: 'binary' }],
    ['no typeCast', { extra: { typeCast: false } }],
  ])('S43a ends the boot with %s', async (_, dataSource) => {
    const database = await createDatabase('mariadb');
    try {
      await expect(startHostApp({ on: database, dataSource })).rejects.toThrow();
    } finally {
      await database.drop();
    }
  });
});

describe.each(testDatabases)('a wrapper that the host installs before the start, on %s', (kind) => {
  it.each<[string, (query: Query) => Query]>([
    ['drops the structured result', dropsStructured],
    [
      'does not count written rows',
      (query) => async (text, parameters, structured) => {
        const result = await query(text, parameters, structured);
        return structured ? { ...(result as object), affected: undefined } : result;
      },
    ],
    [
      'returns no rows',
      (query) => async (text, parameters, structured) =>
        structured ? { affected: 0, records: [] } : query(text, parameters),
    ],
  ])('S43a S75 ends the boot where it %s', async (_, wrapper) => {
    const database = await createDatabase(kind);
    try {
      const wrapped = startHostApp({
        on: database,
        configure: (app) => wrap({ dataSource: app.get(DataSource, { strict: false }) }, wrapper),
      });
      await expect(wrapped).rejects.toMatchObject({ code: 'MFA_MISCONFIGURED' });
    } finally {
      await database.drop();
    }
  });
});

it.skipIf(!testDatabases.includes('postgres'))(
  'S43a a text parser that is set after the start signs no enrolled user in without a second factor',
  async () => {
    const host = await startHostApp({ database: 'postgres', options: FEW_CODES });
    await new Client(host, '42').enroll();
    const before = types.getTypeParser(VARCHAR);
    types.setTypeParser(VARCHAR, digits);
    try {
      expect(await conclusion(host, '42')).toBe('throws MFA_MISCONFIGURED');
    } finally {
      types.setTypeParser(VARCHAR, before);
      await host.close();
    }
  },
);
