import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type DataSource, QueryFailedError, QueryRunnerAlreadyReleasedError, TypeORMError } from 'typeorm';
import { MfaAccountEntity } from '../../libs/mfa/src/persistence/entities/index.js';
import { rememberGalera } from '../../libs/mfa/src/persistence/stores/galera.js';
import { flatten, render, raw, sql, type SqlDialect } from '../../libs/mfa/src/persistence/statements/sql.js';
import { StatementRunner } from '../../libs/mfa/src/persistence/statements/statement-runner.js';
import { TypeOrmAccountStore, TypeOrmUsageStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, testDatabases } from '../support/databases.js';

const NOW = 1_800_000_000_000;
const WON = { affected: 1, records: [] };

/** A DataSource whose statements end as told, one outcome after another; the last one repeats. */
function scripted(type: string, outcomes: unknown[]) {
  const release = vi.fn<() => Promise<void>>(async () => undefined);
  const query = vi.fn<() => Promise<unknown>>(async () => {
    const outcome = outcomes.length > 1 ? outcomes.shift() : outcomes[0];
    if (outcome instanceof Error) throw outcome;
    return outcome;
  });
  const runner = { connect: async () => undefined, query, release };
  const dataSource = {
    options: { type },
    driver: { escape: (name: string) => `"${name}"` },
    getMetadata: () => ({ tablePath: 'mfa_table' }),
    createQueryRunner: () => runner,
  };
  // As the check at start does, so that no statement asks for it.
  rememberGalera(dataSource as unknown as DataSource, []);
  return { dataSource: dataSource as unknown as DataSource, query, release };
}

const failure = (driverError: object) =>
  new QueryFailedError('UPDATE …', [], Object.assign(new Error('driver says no'), driverError));

const TRANSIENT: [string, string, object][] = [
  ['serialization_failure', 'postgres', { code: '40001' }],
  ['deadlock_detected', 'postgres', { code: '40P01' }],
  ['in_failed_sql_transaction', 'postgres', { code: '25P02' }],
  ['lock wait timeout', 'mariadb', { errno: 1205, code: 'ER_LOCK_WAIT_TIMEOUT' }],
  ['deadlock', 'mysql', { errno: 1213, code: 'ER_LOCK_DEADLOCK' }],
  ['record changed', 'mariadb', { errno: 1020, code: 'ER_CHECKREAD' }],
  ['busy', 'better-sqlite3', { code: 'SQLITE_BUSY' }],
  ['busy, by its message', 'sqlite', { code: 'SQLITE_ERROR', message: 'SQLITE_BUSY: database is locked' }],
  ['locked', 'sqljs', { message: 'database table is locked: mfa_usage' }],
];

const spending = {
  userId: 'anna',
  securityStamp: 1,
  entries: [{ kind: 'token', item: 'x', expiresAtMs: NOW } as const],
  nowMs: NOW,
};

describe.each(TRANSIENT)('S30 %s (%s)', (_, type, error) => {
  it('is retried, and only the write of the retry counts', async () => {
    const { dataSource, query, release } = scripted(type, [failure(error), failure(error), WON]);
    expect(await new TypeOrmUsageStore(dataSource).spend(spending)).toBe(true);
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([3, 3]);
  });

  it('is never acceptance when it persists', async () => {
    // No pause between the tries.
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { dataSource, query, release } = scripted(type, [failure(error)]);
    const busy = { code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } };
    const whenKnown = vi.fn<(isSpent: boolean) => void>();
    await expect(new TypeOrmUsageStore(dataSource).spend(spending, whenKnown)).rejects.toMatchObject(busy);
    expect(whenKnown).toHaveBeenCalledExactlyOnceWith(false);
    await expect(new TypeOrmAccountStore(dataSource).commit('anna', 1, {})).rejects.toMatchObject(busy);
    vi.restoreAllMocks();
    expect(release.mock.calls.length).toBe(query.mock.calls.length);
    expect(query.mock.calls.length).toBeLessThan(20);
  });
});

describe('S29 the result of a statement', () => {
  it.each([
    ['postgres', { code: '23505' }],
    ['mysql', { errno: 1062, code: 'ER_DUP_ENTRY' }],
    ['better-sqlite3', { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' }],
    ['better-sqlite3', { code: 'SQLITE_CONSTRAINT_UNIQUE' }],
    ['sqlite', { code: 'SQLITE_CONSTRAINT', message: 'UNIQUE constraint failed: mfa_usage.user_id' }],
  ])('is a lost race on a unique violation of %s', async (type, error) => {
    const { dataSource, query } = scripted(type, [failure(error)]);
    expect(await new TypeOrmUsageStore(dataSource).spend(spending)).toBe(false);
    expect(query).toHaveBeenCalledOnce();
  });

  it.each([[{ affected: 0, records: [] }], [{ affected: 2, records: [] }]])(
    'is not acceptance when the driver counts %j',
    async (result) => {
      const { dataSource } = scripted('postgres', [result]);
      expect(await new TypeOrmUsageStore(dataSource).spend(spending)).toBe(false);
      expect(await new TypeOrmAccountStore(dataSource).commit('anna', 1, {})).toBe(false);
    },
  );

  it.each([
    [undefined],
    [null],
    [[]],
    [[[], 1]],
    [{}],
    [{ affected: 1 }],
    [{ affected: undefined, records: [] }],
    [{ affected: '1', records: [] }],
  ])('S43a S45 is MFA_MISCONFIGURED when the result of a write is %j', async (result) => {
    const { dataSource } = scripted('postgres', [result]);
    const misconfigured = { code: 'MFA_MISCONFIGURED' };
    await expect(new TypeOrmUsageStore(dataSource).spend(spending)).rejects.toMatchObject(misconfigured);
    await expect(new TypeOrmAccountStore(dataSource).commit('anna', 1, {})).rejects.toMatchObject(misconfigured);
  });

  it.each([
    { code: '23514' },
    { code: 'XX000' },
    { code: 'SQLITE_CONSTRAINT_NOTNULL' },
    { code: 'SQLITE_CORRUPT' },
    {},
  ])('is any other error itself, without a retry: %j', async (error) => {
    const { dataSource, query, release } = scripted('postgres', [failure(error)]);
    await expect(new TypeOrmUsageStore(dataSource).spend(spending)).rejects.toThrow('driver says no');
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([1, 1]);
  });

  it.each<[string, object]>([
    ['a full server', { code: '53300' }],
    ["the pool's own deadline", { message: 'timeout exceeded when trying to connect' }],
    ['a refused connection', { code: 'ECONNREFUSED', syscall: 'connect' }],
    ['a name that is not resolved', { code: 'ENOTFOUND', syscall: 'getaddrinfo' }],
    ['rejected credentials', { code: '28P01' }],
    ['anything else', {}],
  ])('S79 is MFA_BUSY when a connection fails with %s', async (_, error) => {
    const { dataSource } = scripted('postgres', [WON]);
    const runner = dataSource.createQueryRunner();
    runner.connect = () => Promise.reject(Object.assign(new Error('no'), error));
    const whenUnwritten = vi.fn<() => void>();
    const run = new StatementRunner(dataSource).run(sql`SELECT 1`, { whenUnwritten });
    await expect(run).rejects.toMatchObject({ code: 'MFA_BUSY' });
    await sleep(0);
    expect(whenUnwritten).toHaveBeenCalledOnce();
  });

  it.each<[string, object, [boolean][]]>([
    ['the server cut off', { code: '57014' }, [[false]]],
    ['waited too long for a lock', { code: '55P03' }, [[false]]],
    ['may have been committed', { code: '57P01' }, []],
    ['failed for good', { code: '23514' }, []],
  ])('S70 reports a statement that certainly wrote nothing: one that %s', async (_, error, reports) => {
    const { dataSource } = scripted('postgres', [failure(error)]);
    const whenKnown = vi.fn<(isSpent: boolean) => Promise<never>>().mockRejectedValue(new Error('is ignored'));
    await expect(new TypeOrmUsageStore(dataSource).spend(spending, whenKnown)).rejects.toThrow();
    await sleep(0);
    expect(whenKnown.mock.calls).toEqual(reports);
  });

  it('S79 is MFA_BUSY when the DataSource was destroyed', async () => {
    const { dataSource } = scripted('postgres', [WON]);
    dataSource.createQueryRunner = () => {
      throw new TypeORMError('Driver not Connected');
    };
    await expect(new StatementRunner(dataSource).run(sql`SELECT 1`)).rejects.toMatchObject({ code: 'MFA_BUSY' });
  });

  it('S79 is returned by a query runner whose connect returns no promise', async () => {
    const { dataSource, release } = scripted('postgres', [WON]);
    dataSource.createQueryRunner().connect = () => ({ connection: 1 }) as never;
    expect(await new TypeOrmUsageStore(dataSource).spend(spending)).toBe(true);
    expect(release).toHaveBeenCalledOnce();
  });

  it('S79 is returned even when the connection cannot be released', async () => {
    const { dataSource, release } = scripted('postgres', [WON]);
    release.mockRejectedValue(new Error('Connection terminated'));
    expect(await new TypeOrmUsageStore(dataSource).spend(spending)).toBe(true);
  });

  it.each<[string, object]>([
    ...['08000', '08003', '08006', '08P01', '25006', '53100', '53300', '57P01', '57P02', '57P03', '57P05', '58030'].map(
      (code): [string, object] => ['postgres', { code }],
    ),
    ...[
      'Connection terminated unexpectedly',
      'Client has encountered a connection error and is not queryable',
      'Client was closed and is not queryable',
      'Query read timeout',
      'Cannot use a pool after calling end on the pool',
    ].map((message): [string, object] => ['postgres', { message }]),
    ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'].flatMap((code): [string, object][] => [
      ['postgres', { code, syscall: 'read' }],
      ['mysql', { code, errno: -104, syscall: 'read', fatal: true }],
    ]),
    ['postgres', { code: 'ERR_STREAM_DESTROYED' }],
    ['mysql', { code: 'PROTOCOL_CONNECTION_LOST', fatal: true }],
    ['mysql', { message: "Can't add new command when connection is in closed state", fatal: true }],
    ['mysql', { message: 'Pool is closed.' }],
    ['mysql', { message: 'Queue limit reached.' }],
    ['mysql', { sqlState: '08S01', errno: 1160 }],
    ...[1040, 1053, 1290, 1792, 1836, 1927, 2006, 2013, 3169, 4031].map((errno): [string, object] => [
      'mariadb',
      { errno },
    ]),
    ['mariadb', { errno: 1047, message: 'WSREP has not yet prepared node for application use' }],
    ...['CANTOPEN', 'IOERR', 'IOERR_WRITE', 'READONLY', 'READONLY_DBMOVED', 'FULL', 'NOMEM'].map(
      (name): [string, object] => ['better-sqlite3', { code: `SQLITE_${name}` }],
    ),
    ['better-sqlite3', { message: 'The database connection is not open' }],
    ['sqlite', { code: 'SQLITE_MISUSE', message: 'SQLITE_MISUSE: Database is closed' }],
  ])('S79 S30 is MFA_BUSY, without a retry, when %s fails with %j', async (type, error) => {
    const { dataSource, query, release } = scripted(type, [failure(error)]);
    const busy = { code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } };
    await expect(new TypeOrmUsageStore(dataSource).spend(spending)).rejects.toMatchObject(busy);
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([1, 1]);
  });

  it('S79 is MFA_BUSY when TypeORM released the query runner of a lost connection', async () => {
    const { dataSource } = scripted('postgres', [new QueryRunnerAlreadyReleasedError()]);
    await expect(new TypeOrmUsageStore(dataSource).spend(spending)).rejects.toMatchObject({ code: 'MFA_BUSY' });
  });

  it.each([
    ['postgres', { code: '57014' }],
    ['postgres', { code: '55P03' }],
    ['mariadb', { errno: 1969 }],
    ['mysql', { errno: 3024 }],
  ])('S30 is MFA_BUSY, without a retry, when %s cuts a statement off: %j', async (type, error) => {
    const { dataSource, query, release } = scripted(type, [failure(error)]);
    await expect(new TypeOrmUsageStore(dataSource).spend(spending)).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([1, 1]);
  });

  it('is an error for an unsupported database', () => {
    const { dataSource } = scripted('oracle', [WON]);
    const message = expect.stringMatching(/type "oracle".*postgres, mysql/);
    expect(() => new StatementRunner(dataSource)).toThrow(
      expect.objectContaining({ code: 'MFA_MISCONFIGURED', message }),
    );
  });
});

describe('a statement that hangs', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  beforeEach(() => {
    unhandled.length = 0;
    process.on('unhandledRejection', note);
  });
  afterEach(() => void process.off('unhandledRejection', note));

  /** A store whose statement settles when the test lets it. */
  function hanging() {
    const { dataSource, query, release } = scripted('postgres', [WON]);
    let resolve!: (result: unknown) => void;
    let reject!: (error: Error) => void;
    query.mockReturnValue(new Promise((...settle) => ([resolve, reject] = settle)));
    const usage = new TypeOrmUsageStore(dataSource, { statementTimeoutMs: 20 });
    return { usage, query, release, statement: { resolve, reject } };
  }
  type Statement = ReturnType<typeof hanging>['statement'];
  const busy = { code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } };

  it('S30 ends as MFA_BUSY, is not retried, and keeps its connection until it ends', async () => {
    const { usage, query, release, statement } = hanging();
    await expect(usage.spend(spending)).rejects.toMatchObject(busy);
    await sleep(40);
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([1, 0]);
    statement.resolve(WON);
    await sleep(0);
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([1, 1]);
  });

  it.each([
    ['spent everything', (statement: Statement) => statement.resolve(WON), [true]],
    ['spent nothing', (statement: Statement) => statement.resolve({ ...WON, affected: 0 }), [false]],
    ['failed, and wrote nothing', (statement: Statement) => statement.reject(failure({ code: '40P01' })), [false]],
    ['failed, and may have written', (statement: Statement) => statement.reject(failure({ code: '08006' })), []],
  ] as const)('S70 is reported to its caller when it %s in the end', async (_, end, expected) => {
    const { usage, statement } = hanging();
    const reports: boolean[] = [];
    await expect(usage.spend(spending, (isSpent) => reports.push(isSpent))).rejects.toMatchObject(busy);
    expect(reports).toEqual([]);
    end(statement);
    await sleep(0);
    expect(reports).toEqual(expected);
  });

  it('S30 releases its connection when it fails in the end, without an unhandled rejection', async () => {
    const { usage, query, release, statement } = hanging();
    await expect(usage.spend(spending)).rejects.toMatchObject(busy);
    // A deadlock would be tried again, had anybody still waited for it.
    statement.reject(failure({ code: '40P01' }));
    await sleep(100);
    expect([query.mock.calls.length, release.mock.calls.length]).toEqual([1, 1]);
    expect(unhandled).toEqual([]);
  });
});

describe('SQL text', () => {
  const dialect = (family: 'postgres' | 'sqlite'): SqlDialect => ({
    family,
    integer: raw('bigint'),
    greatest: raw('GREATEST'),
    largestPurge: Infinity,
    numbered: family === 'postgres',
    placeholder: (position) => (family === 'postgres' ? `$${position}` : '?'),
    table: ({ name }) => `"${name}"`,
  });
  const statement = sql`UPDATE ${MfaAccountEntity} SET ${raw('security_stamp')} = ${1} ${sql`WHERE a = ${"'; --"} AND b = ${null}`}`;

  it.each([
    ['postgres', 'UPDATE "MfaAccountEntity" SET security_stamp = $1 WHERE a = $2 AND b = $3'],
    ['sqlite', 'UPDATE "MfaAccountEntity" SET security_stamp = ? WHERE a = ? AND b = ?'],
  ] as const)('binds every value on %s', (family, text) => {
    expect(render(statement, dialect(family))).toEqual({ text, parameters: [1, "'; --", null] });
  });

  it.each(['postgres', 'sqlite'] as const)('begins with the command on %s, without leading whitespace', (family) => {
    // TypeORM 0.3 with sqlite3 decides by `query.startsWith('UPDATE ')` whether a statement writes.
    const indented = sql`
      DELETE FROM ${MfaAccountEntity} WHERE ${sql`
        a = ${1}`}
    `;
    expect(render(indented, dialect(family)).text).toMatch(/^DELETE FROM .*\S$/s);
    expect(flatten(indented, dialect(family)).text).toMatch(/^DELETE FROM .*\S$/s);
  });

  it.each([[{ id: 1 }], [['x']], [undefined], [Number.NaN], [true]])(
    'S24 refuses to bind %j, which a driver might expand',
    (value) => {
      expect(() => render(sql`SELECT ${value as never}`, dialect('sqlite'))).toThrow(TypeError);
    },
  );
});

describe.runIf(testDatabases.includes('postgres'))('S30 on PostgreSQL with serializable isolation', () => {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  it('retries serialization failures, and one of 30 commits and one of 30 spendings win', async () => {
    const database = await createDatabase('postgres');
    cleanups.push(database.drop);
    const extra = { options: '-c default_transaction_isolation=serializable' };
    const source = await openMfaDataSource(database, { extra });
    cleanups.unshift(() => source.destroy());
    const [accounts, usage] = [new TypeOrmAccountStore(source), new TypeOrmUsageStore(source)];
    await accounts.open('anna', NOW);
    const race = async (call: () => Promise<boolean>) =>
      (await Promise.all(Array.from({ length: 30 }, call))).filter(Boolean).length;
    expect(await race(() => usage.spend({ ...spending, securityStamp: NOW }))).toBe(1);
    expect(await race(() => accounts.commit('anna', NOW, { pendingId: 'p' }))).toBe(1);
  });
});

it('S30 a SQLite database that another connection locks causes a wait, then MFA_BUSY, and nothing is spent', async () => {
  const database = await createDatabase('sqlite');
  const [source, other] = [
    await openMfaDataSource(database, { timeout: 5 } as object),
    await openMfaDataSource(database),
  ];
  const [accounts, usage] = [new TypeOrmAccountStore(source), new TypeOrmUsageStore(source)];
  await accounts.open('anna', NOW);

  await other.query('BEGIN IMMEDIATE');
  await expect(usage.spend({ ...spending, securityStamp: NOW })).rejects.toMatchObject({ code: 'MFA_BUSY' });
  const waiting = usage.spend({ ...spending, securityStamp: NOW });
  await sleep(10);
  await other.query('ROLLBACK');
  expect(await waiting).toBe(true);

  await Promise.all([source.destroy(), other.destroy()]);
  await database.drop();
});
