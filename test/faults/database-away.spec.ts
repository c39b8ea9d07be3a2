import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { Client } from '../support/client.js';
import { createDatabase, testServers, type TestDatabase } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

const PORTS = { postgres: 5432, mariadb: 3306 } as const;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function newDatabase(kind: 'postgres' | 'mariadb'): Promise<TestDatabase> {
  const database = await createDatabase(kind);
  cleanups.push(() => database.drop());
  return database;
}

async function start(on: TestDatabase, dataSource?: Record<string, unknown>): Promise<HostApp> {
  const host = await startHostApp({ on, dataSource, options: FEW_CODES });
  cleanups.push(() => host.close());
  return host;
}

/** An application behind a network that the test breaks. */
async function startBehindProxy(kind: 'postgres' | 'mariadb'): Promise<{ host: HostApp; proxy: TcpProxy }> {
  const database = await newDatabase(kind);
  const proxy = await startTcpProxy(PORTS[kind]);
  cleanups.push(() => proxy.stop());
  return { host: await start(database, { port: proxy.port }), proxy };
}

/** Every call of the user that needs the database. */
function everyCall(user: Client, token: string, code: string, id: string) {
  return {
    login: () => user.loginAnswer(),
    verify: () => user.verify(token, code),
    'verify with a code of no shape': () => user.verify(token, 'nonsense'),
    status: () => user.get('/mfa/status'),
    setup: () => user.post('/mfa/totp/setup', { code }),
    'setup of a first authenticator': () =>
      new Client(user.host, 'new').post('/mfa/totp/setup', { password: PASSWORD }),
    confirm: () => user.post('/mfa/totp/confirm', { code }),
    'step-up': () => user.post('/mfa/step-up', { code }),
    regenerate: () => user.post('/mfa/backup-codes/regenerate', { code }),
    rename: () => user.patch(`/mfa/authenticators/${id}`, { name: 'x' }),
    remove: () => user.post(`/mfa/authenticators/${id}/remove`, { code }),
    disable: () => user.post('/mfa/disable', { code }),
  };
}

async function answersOf(calls: ReturnType<typeof everyCall>): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    const { status, body, headers } = await call();
    answers[name] = [status, body.code, Number(headers['retry-after']) >= 1 ? 'Retry-After' : ''].join(' ').trim();
  }
  return answers;
}

describe.each(testServers)('a %s that is away', (kind) => {
  it('S79 S30 makes every route return 503 MFA_BUSY with Retry-After, and nothing is accepted or lost', async () => {
    const { host, proxy } = await startBehindProxy(kind as 'postgres');
    const user = new Client(host, 'ada');
    const { authenticator, id } = await user.enroll();
    const token = await user.login();
    const code = authenticator.code();
    const calls = everyCall(user, token, code, id);

    await proxy.stop();
    const answers = await answersOf(calls);
    const expected = Object.fromEntries(Object.keys(calls).map((name) => [name, '503 MFA_BUSY Retry-After']));
    // The host's own route, on which Nest's filter makes the response: the body carries the seconds.
    expect(answers).toEqual({ ...expected, login: '503 MFA_BUSY' });
    expect((await user.loginAnswer()).body).toMatchObject({ code: 'MFA_BUSY', retryAfterSeconds: 1 });

    await proxy.start();
    await user.verify(token, code).expect(200);
    await user.verify(await user.login(), code).expect(401);
  });

  it('S79 S30 S27 causes no 500 when connections are reset, and no code is accepted twice', async () => {
    const { host, proxy } = await startBehindProxy(kind as 'postgres');
    const users = await Promise.all(
      Array.from({ length: 4 }, async (_, index) => {
        const user = new Client(host, `user-${index}`);
        return { user, backupCodes: (await user.enroll()).backupCodes };
      }),
    );
    const statuses = new Set<number>();
    const accepted: string[] = [];
    const submit = async ({ user, backupCodes }: (typeof users)[number], round: number) => {
      for (let again = 0; again < 3; again += 1) {
        const login = await user.loginAnswer();
        statuses.add(login.status);
        if (login.status !== 201) continue;
        const { status } = await user.verify(login.body.mfa_token, backupCodes[round]!);
        statuses.add(status);
        if (status === 200) accepted.push(`${user.userId} ${round}`);
      }
    };
    for (let round = 0; round < 3; round += 1) {
      const submissions = users.map((each) => submit(each, round));
      for (let cut = 0; cut < 4; cut += 1) {
        await sleep(30);
        proxy.reset();
      }
      await Promise.all(submissions);
    }
    expect([...statuses].filter((status) => ![200, 201, 401, 429, 503].includes(status))).toEqual([]);
    expect(statuses).toContain(503);
    expect(accepted).toEqual([...new Set(accepted)]);
  });

  it('S79 S30 makes every write return 503 after a failover to a read-only node, and spends nothing', async () => {
    const database = await newDatabase(kind as 'postgres');
    const host = await start(database);
    const user = new Client(host, 'ada');
    const { authenticator, id } = await user.enroll();
    const token = await user.login();
    const code = authenticator.code();

    const admin = await new DataSource({ ...database.options, entities: [], migrations: [] } as never).initialize();
    cleanups.push(() => admin.destroy());
    await (kind === 'postgres' ? readOnlyPostgres(admin) : readOnlyMariadb(admin, host));
    await sleep(100);

    const { login, status, verify, ...others } = everyCall(user, token, code, id);
    await login().expect(201);
    await status().expect(200);
    expect(await answersOf({ verify, ...others } as never)).toMatchObject({
      verify: '503 MFA_BUSY Retry-After',
      setup: '503 MFA_BUSY Retry-After',
      'setup of a first authenticator': '503 MFA_BUSY Retry-After',
      'step-up': '503 MFA_BUSY Retry-After',
      regenerate: '503 MFA_BUSY Retry-After',
      rename: '503 MFA_BUSY Retry-After',
      disable: '503 MFA_BUSY Retry-After',
    });
    const [{ spent }] = await admin.query('SELECT COUNT(*) AS spent FROM mfa_usage');
    // The code that confirmed the authenticator.
    expect(Number(spent)).toBe(1);
  });
});

async function readOnlyPostgres(admin: DataSource): Promise<void> {
  const [{ name }] = await admin.query('SELECT current_database() AS name');
  await admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  await admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  );
}

async function readOnlyMariadb(admin: DataSource, { dataSource }: HostApp): Promise<void> {
  interface Connection {
    query(statement: string): void;
  }
  const { pool } = dataSource.driver as unknown as {
    pool: { on(event: string, listener: (c: Connection) => void): void };
  };
  pool.on('connection', (connection) => connection.query('SET SESSION TRANSACTION READ ONLY'));
  const sessions: { id: number }[] = await admin.query(
    'SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()',
  );
  for (const { id } of sessions) await admin.query(`KILL CONNECTION ${Number(id)}`).catch(() => undefined);
}
