import { RESET } from '../support/reset.js';
import argon2 from 'argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import type { ImportTools } from '../../libs/mfa/src/import/import-tools.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { importInto } from './importing.js';
import { codeAt, PLAN, SECRET } from './people.js';
import { createTable, execute, formerly, type Value } from './source-tables.js';

const USERS_ONLY = (table: string) => ({ from: { ...PLAN.from, table } });

/** The process dies right behind the commit of the account. */
const dying = (tools: ImportTools): ImportTools => ({
  ...tools,
  accounts: new Proxy(tools.accounts, {
    get: (target, method) => {
      const real = Reflect.get(target, method) as (...given: unknown[]) => unknown;
      if (method !== 'commit') return real.bind(target);
      return async (...given: unknown[]) => {
        await real.apply(target, given);
        throw new Error('dead');
      };
    },
  }),
});

/** A promise that somebody else resolves. */
function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

describe.each(testDatabases)('an import that meets the unexpected on %s', (kind) => {
  let host: HostApp;
  let people = 0;
  const set = (text: string, values: Value[] = []) =>
    formerly(host.database, (dataSource) => execute(dataSource, text, values));
  const make = (name: string, columns: Record<string, string>, rows: Value[][] = []) =>
    formerly(host.database, (dataSource) => createTable(dataSource, name, columns, rows));

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: { enrollment: { allowPasswordOnly: true } } });
    await make('people', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' });
    await make('people_codes', { person: 'VARCHAR(20)', hash: 'TEXT', used: 'BOOLEAN' });
    await make('people_copies', { hash: 'TEXT' });
    await make('people_usage', { nr: 'VARCHAR(20)', person: 'VARCHAR(20)', window: 'BIGINT' });
  });
  afterAll(() => host.close());

  async function person(codes: string[] = []): Promise<Client> {
    const id = `person-${(people += 1)}`;
    for (const table of ['people', 'people_codes', 'people_usage']) await set(`DELETE FROM ${table}`);
    await set('INSERT INTO people VALUES (?, ?, ?)', [id, SECRET, true]);
    for (const code of codes) {
      const hash = await argon2.hash(code, { memoryCost: 64, timeCost: 1, parallelism: 1 });
      await set('INSERT INTO people_codes VALUES (?, ?, ?)', [id, hash, false]);
      await set('DELETE FROM people_copies');
      // The last one is the one that the old system accepts later.
      await set('INSERT INTO people_copies VALUES (?)', [hash]);
    }
    return new Client(host, id);
  }
  const requiresMfa = async (user: Client) => (await user.loginAnswer().expect(201)).body.mfaRequired === true;
  const attempt = async (user: Client, code: string) => (await user.verify(await user.login(), code)).status;

  it('S59 what support reset after an import that died behind its commit does not come back by the next run', async () => {
    const user = await person();
    await importInto(host, PLAN, { tools: dying });
    expect(await requiresMfa(user)).toBe(true);
    // The phone is lost: the desk takes the factor away. Then the operator "runs it again", as the report says.
    await host.app.get(MfaAdminService).reset(user.userId, RESET);
    expect(await requiresMfa(user)).toBe(false);
    const again = await importInto(host, PLAN);
    expect(again.users.skipped).toEqual({ 'removed-since': 1 });
    expect(await requiresMfa(user)).toBe(false);
  });

  it('S102 does not bring back by a first run what support reset before it', async () => {
    const user = await person();
    const admin = host.app.get(MfaAdminService);
    await admin.reset(user.userId, { ...RESET, requireEnrollment: true });
    expect((await importInto(host, PLAN)).users.skipped).toEqual({ 'removed-since': 1 });
    const login = await user.loginAnswer().expect(201);
    expect(login.body).toMatchObject({ enrollmentRequired: true, enrollmentMethods: ['totp'] });
  });

  it('S59 who enrolled by themselves and then disabled gets no old secret back by the next run', async () => {
    const user = await person();
    const { authenticator } = await user.enroll();
    expect((await importInto(host, PLAN)).users.skipped).toEqual({ 'already-enabled': 1 });
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    await importInto(host, PLAN);
    expect(await requiresMfa(user)).toBe(false);
  });

  it('S27 accepted codes that belong to none of the users are told, not dropped in silence', async () => {
    const user = await person();
    const step = Math.floor(host.clock.nowMs() / 30_000);
    await set('INSERT INTO people_usage VALUES (?, ?, ?)', ['1', user.userId, step]);
    // The wrong one of two columns: every name exists, and not one row matches.
    const usage = { table: 'people_usage', columns: { userId: 'nr', window: 'window' } };
    const report = await importInto(host, { ...PLAN, usage });
    const replayed = await attempt(user, codeAt(host.clock.nowMs()));
    expect({ ok: report.ok, replayed }).not.toEqual({ ok: true, replayed: 200 });
    expect(report).toMatchObject({ ok: false, usage: { read: 1, spent: 0, withoutUser: 1 } });
  });

  it('S27 an accepted code whose row spells the user in another case is refused or told', async () => {
    const user = await person();
    const step = Math.floor(host.clock.nowMs() / 30_000);
    await set('INSERT INTO people_usage VALUES (?, ?, ?)', ['1', user.userId.toUpperCase(), step]);
    const report = await importInto(host, PLAN);
    const replayed = await attempt(user, codeAt(host.clock.nowMs()));
    expect({ ok: report.ok, replayed }).not.toEqual({ ok: true, replayed: 200 });
  });

  // MariaDB and PostgreSQL answer such ids as text.
  it.runIf(kind === 'sqlite')('S43a ids that the driver rounds are refused before anything is written', async () => {
    const first = 1_234_567_890_123_456_700n;
    const ids = Array.from({ length: 450 }, (_, index) => String(first + BigInt(index)));
    await make('snowflakes', { id: 'BIGINT', secret: 'TEXT', enabled: 'BOOLEAN' });
    await formerly(host.database, async (dataSource) => {
      const rows = ids.map((id) => `(${id}, '${SECRET}', 1)`);
      await dataSource.query(`INSERT INTO snowflakes VALUES ${rows.join(', ')}`);
      await dataSource.query(
        'CREATE VIEW snowflake_texts AS SELECT CAST(id AS TEXT) AS id, secret, enabled FROM snowflakes',
      );
    });
    await expect(importInto(host, USERS_ONLY('snowflakes'))).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/beyond 2\^53.*view that casts them to text/),
    });
    const written = await host.dataSource.query(`SELECT user_id FROM mfa_account WHERE user_id LIKE '1234567%'`);
    expect(written).toEqual([]);
    // The remedy that the message names.
    expect(await importInto(host, USERS_ONLY('snowflake_texts'))).toMatchObject({ ok: true, users: { imported: 450 } });
  });

  it('S32 of two runs at once none brings a used backup code back', async () => {
    const user = await person(['AB12-CD34', 'EF56-GH78', 'JK90-LM12']);
    const before = <T extends object>(store: T, name: string, work: () => Promise<void>): T => {
      let first = true;
      return new Proxy(store, {
        get: (target, method) => {
          const real = Reflect.get(target, method) as (...given: unknown[]) => unknown;
          if (method !== name) return real.bind(target);
          return async (...given: unknown[]) => {
            if (first) {
              first = false;
              await work();
            }
            return real.apply(target, given);
          };
        },
      });
    };
    const fastDone = signal();
    const slowRead = signal();
    let slow: Promise<unknown> | undefined;
    // The fast run has written its rows; before it commits, the old system accepts a third code and another operator
    // starts a second run. That one reads the account, and is slow from there on.
    const fast = importInto(host, PLAN, {
      tools: (tools) => ({
        ...tools,
        accounts: before(tools.accounts, 'commit', async () => {
          await set('UPDATE people_codes SET used = ? WHERE hash IN (SELECT hash FROM people_copies)', [true]);
          slow = importInto(host, PLAN, {
            tools: (own) => ({
              ...own,
              backupCodes: before(own.backupCodes, 'list', async () => {
                slowRead.resolve();
                await fastDone.promise;
              }),
            }),
          });
          await slowRead.promise;
        }),
      }),
    });
    expect((await fast).users.imported).toBe(1);
    const statuses = [await attempt(user, 'AB12-CD34'), await attempt(user, 'EF56-GH78')];
    expect(statuses.every((status) => status === 200)).toBe(true);
    fastDone.resolve();
    await slow;
    const again = [await attempt(user, 'AB12-CD34'), await attempt(user, 'EF56-GH78')];
    expect(again).toEqual([401, 401]);
  });

  it.runIf(kind === 'sqlite')(
    'S43a an id that is none, met after users were written, ends it with a report of them',
    async () => {
      await make('mixed', { id: '', secret: 'TEXT', enabled: 'BOOLEAN' }, [
        ...Array.from({ length: 200 }, (_, index): Value[] => [`mixed-${index}`, SECRET, true]),
        [Buffer.from('blob'), SECRET, true],
      ]);
      const report = await importInto(host, USERS_ONLY('mixed'));
      const failure = expect.stringMatching(/"mixed"\."id" holds neither text nor numbers/);
      expect(report).toMatchObject({ ok: false, failure, users: { imported: 200 } });
    },
  );

  it.runIf(kind === 'sqlite')(
    'S27 accepted codes in a column without a type are spent, or make the report not ok',
    async () => {
      const step = Math.floor(host.clock.nowMs() / 30_000);
      await make('numbers', { id: 'INTEGER', secret: 'TEXT', enabled: 'BOOLEAN' }, [[77, SECRET, true]]);
      await make('number_usage', { person: '', window: 'BIGINT' }, [[77, step]]);
      const usage = { table: 'number_usage', columns: { userId: 'person', window: 'window' } };
      const report = await importInto(host, { ...USERS_ONLY('numbers'), usage });
      const replayed = await attempt(new Client(host, '77'), codeAt(host.clock.nowMs()));
      expect(report.ok).toBe(report.usage.spent === 1);
      expect({ ok: report.ok, replayed }).not.toEqual({ ok: true, replayed: 200 });
    },
  );

  it('S32 a code that one of two equal rows calls used is not accepted after an import that died behind its commit', async () => {
    const user = await person(['AB12-CD34']);
    await set('INSERT INTO people_codes SELECT ?, hash, ? FROM people_copies', [user.userId, true]);
    await importInto(host, PLAN, { tools: dying });
    expect(await requiresMfa(user)).toBe(true);
    expect(await attempt(user, 'AB12-CD34')).toBe(401);
  });
});
