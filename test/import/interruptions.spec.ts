import argon2 from 'argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOTP, Secret } from 'otpauth';
import { MfaCleanupService } from 'nestjs-mfa';
import type { ImportTools } from '../../libs/mfa/src/import/import-tools.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { dumpTables, startHostApp, type HostApp } from '../support/host-app.js';
import { importInto } from './importing.js';
import { codeAt, PLAN, SECRET } from './people.js';
import { createTable, execute, formerly, type Value } from './source-tables.js';

const WRITES: Record<string, readonly string[]> = {
  accounts: ['open', 'commit'],
  authenticators: ['add', 'collectAfter', 'remove'],
  backupCodes: ['add', 'collectAfter', 'remove', 'markUsed'],
  usage: ['spend'],
};

/** The process dies after so many writes: the last one is done, and nobody hears of it. */
function dyingAfter(writes: number): { tools: (tools: ImportTools) => ImportTools; done: string[] } {
  const done: string[] = [];
  const dying = <T extends object>(name: string, store: T): T =>
    new Proxy(store, {
      get: (target, method) => {
        const real: unknown = Reflect.get(target, method);
        if (typeof real !== 'function') return real;
        if (!WRITES[name]?.includes(String(method))) return real.bind(target);
        return async (...given: unknown[]) => {
          if (done.length === writes) throw new Error('dead');
          const answer: unknown = await real.apply(target, given);
          done.push(`${name}.${String(method)}`);
          if (done.length === writes) throw new Error('dead');
          return answer;
        };
      },
    });
  const tools = (real: ImportTools) => ({
    ...real,
    ...Object.fromEntries(Object.keys(WRITES).map((name) => [name, dying(name, real[name as keyof ImportTools])])),
  });
  return { tools, done };
}

/** All writes of one import, in order; before `commit` MFA is not required; the writes after it complete the import. */
const ORDER = [
  'accounts.open',
  'authenticators.add',
  'backupCodes.add',
  'usage.spend',
  'usage.spend',
  'accounts.commit',
  'authenticators.collectAfter',
  'backupCodes.collectAfter',
  'usage.spend',
];

describe.each(testDatabases)('an import that stops half-way on %s', (kind) => {
  let host: HostApp;
  let people = 0;

  beforeAll(async () => {
    host = await startHostApp({ database: kind });
    await formerly(host.database, async (dataSource) => {
      await createTable(dataSource, 'people', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' });
      await createTable(dataSource, 'people_codes', { person: 'VARCHAR(20)', hash: 'TEXT', used: 'BOOLEAN' });
      await createTable(dataSource, 'people_usage', { person: 'VARCHAR(20)', window: 'BIGINT' });
    });
  });
  afterAll(() => host.close());

  /** One person is in the source at a time, so that every write is of that person's. */
  async function person(): Promise<{
    user: Client;
    backupCodes: string[];
    set: (text: string, values: Value[]) => Promise<void>;
  }> {
    const id = `person-${(people += 1)}`;
    const backupCodes = ['AB12-CD34', 'EF56-GH78'];
    const hashes = await Promise.all(
      backupCodes.map((code) => argon2.hash(code, { memoryCost: 64, timeCost: 1, parallelism: 1 })),
    );
    const set = (text: string, values: Value[]) =>
      formerly(host.database, (dataSource) => execute(dataSource, text, values));
    for (const table of ['people', 'people_codes', 'people_usage']) await set(`DELETE FROM ${table}`, []);
    await set('INSERT INTO people VALUES (?, ?, ?)', [id, SECRET, true]);
    for (const hash of hashes) await set('INSERT INTO people_codes VALUES (?, ?, ?)', [id, hash, false]);
    await set('INSERT INTO people_usage VALUES (?, ?)', [id, Math.floor(host.clock.nowMs() / 30_000)]);
    return { user: new Client(host, id), backupCodes, set };
  }
  const rowsOf = async (table: string, { userId }: Client) =>
    (await dumpTables(host))[table]!.filter((row) => (row as { user_id: string }).user_id === userId) as Record<
      string,
      unknown
    >[];
  const requiresMfa = async (user: Client) => (await user.loginAnswer().expect(201)).body.mfaRequired === true;
  const attempt = async (user: Client, code: string) => (await user.verify(await user.login(), code)).status;

  async function expectComplete(user: Client, backupCodes: string[]): Promise<void> {
    const now = host.clock.nowMs();
    expect([await attempt(user, codeAt(now)), await attempt(user, codeAt(now, 1))]).toEqual([401, 200]);
    expect([await attempt(user, backupCodes[0]!), await attempt(user, backupCodes[0]!)]).toEqual([200, 401]);
    for (const table of ['mfa_authenticator', 'mfa_backup_code']) {
      const rows = await rowsOf(table, user);
      expect(rows.map(({ expires_at }) => expires_at)).toEqual(rows.map(() => null));
    }
    expect(await rowsOf('mfa_authenticator', user)).toHaveLength(1);
    expect(await rowsOf('mfa_backup_code', user)).toHaveLength(2);
  }

  it('makes its writes in this order when nothing happens', async () => {
    await person();
    const { tools, done } = dyingAfter(Infinity);
    expect(await importInto(host, PLAN, { tools })).toMatchObject({ ok: true, failure: null });
    expect(done).toEqual(ORDER);
  });

  it.each(ORDER.map((write, index) => [index + 1, write]))(
    'after write %i (%s) nothing is half there, and the next run completes it',
    async (writes) => {
      const { user, backupCodes } = await person();
      const { tools, done } = dyingAfter(Number(writes));
      const report = await importInto(host, PLAN, { tools });
      expect(report).toMatchObject({ ok: false, failure: 'dead', users: { imported: 0 } });
      expect(done).toEqual(ORDER.slice(0, Number(writes)));

      const committed = done.includes('accounts.commit');
      expect(await requiresMfa(user)).toBe(committed);
      // Where MFA is required, the user can pass it with a backup code, and not with a code that was spent before.
      if (committed) expect(await attempt(user, codeAt(host.clock.nowMs()))).toBe(401);

      const again = await importInto(host, PLAN);
      expect(again).toMatchObject(
        committed ? { ok: true, users: { skipped: { 'already-imported': 1 } } } : { ok: true, users: { imported: 1 } },
      );
      await expectComplete(user, backupCodes);
    },
  );

  it('leaves nothing but a mark behind where it is not run again', async () => {
    const { user } = await person();
    await importInto(host, PLAN, { tools: dyingAfter(ORDER.indexOf('accounts.commit')).tools });
    expect(await rowsOf('mfa_authenticator', user)).toHaveLength(1);
    host.clock.advance(21 * 60);
    await host.app.get(MfaCleanupService).purge();
    for (const table of ['mfa_authenticator', 'mfa_backup_code']) expect(await rowsOf(table, user)).toEqual([]);
    // That it was begun is never forgotten, and spends nothing.
    const begun = { kind: 'import', item: expect.stringMatching(/^import-begun:\d+$/) };
    expect(await rowsOf('mfa_usage', user)).toEqual([expect.objectContaining(begun)]);
    expect(await requiresMfa(user)).toBe(false);
    expect(await importInto(host, PLAN)).toMatchObject({ ok: true, users: { imported: 1 } });
  });

  it('takes what the source says by then, not what an earlier run wrote', async () => {
    const { user, set } = await person();
    await importInto(host, PLAN, { tools: dyingAfter(3).tools });
    await set('UPDATE people SET secret = ?', ['GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ']);
    await set('DELETE FROM people_codes', []);
    await set('DELETE FROM people_usage', []);
    // The other run could still be alive, and about to commit.
    expect(await importInto(host, PLAN)).toMatchObject({ ok: false, users: { skipped: { 'changed-meanwhile': 1 } } });
    host.clock.advance(21 * 60);
    expect(await importInto(host, PLAN)).toMatchObject({
      ok: true,
      users: { imported: 1 },
      backupCodes: { imported: 0 },
    });
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body).toMatchObject({ enabled: true, backupCodes: { remaining: 0 } });
    expect(await attempt(user, codeAt(host.clock.nowMs()))).toBe(401);
  });

  it('spends what the other system accepted after the first run', async () => {
    const { user, backupCodes, set } = await person();
    await importInto(host, PLAN);
    const step = Math.floor(host.clock.nowMs() / 30_000);
    await set('INSERT INTO people_usage VALUES (?, ?)', [user.userId, step + 1]);
    const [first] = (await rowsOf('mfa_backup_code', user)).map(({ id }) => id);
    await set('UPDATE people_codes SET used = ?', [true]);
    expect(await importInto(host, PLAN)).toMatchObject({ ok: true, users: { skipped: { 'already-imported': 1 } } });
    expect(first).toBeDefined();
    expect(await attempt(user, codeAt(host.clock.nowMs(), 1))).toBe(401);
    for (const code of backupCodes) expect(await attempt(user, code)).toBe(401);
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(0);
  });

  it('tells of a secret that the source changed after the first run, and keeps the one that it imported', async () => {
    const { user, set } = await person();
    await importInto(host, PLAN);
    await set('UPDATE people SET secret = ?', ['GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ']);
    for (const apply of [false, true]) {
      expect(await importInto(host, PLAN, { apply })).toMatchObject({
        ok: false,
        skipped: [{ what: 'user', userId: user.userId, reason: 'changed-since', bad: true }],
      });
    }
    expect(await attempt(user, codeAt(host.clock.nowMs(), 1))).toBe(200);
  });

  it('leaves alone who enrolled meanwhile, who enrolls during it, and who removed it since', async () => {
    const own = await person();
    const { authenticator } = await own.user.enroll();
    expect(await importInto(host, PLAN)).toMatchObject({ ok: true, users: { skipped: { 'already-enabled': 1 } } });
    expect(await attempt(own.user, authenticator.code())).toBe(200);
    expect(await attempt(own.user, codeAt(host.clock.nowMs()))).toBe(401);

    const during = await person();
    let enrolled: Promise<unknown> | undefined;
    await importInto(host, PLAN, {
      tools: (tools) => ({
        ...tools,
        usage: new Proxy(tools.usage, {
          get: (target, method) =>
            method === 'spend'
              ? async (given: never) => (await (enrolled ??= during.user.enroll()), target.spend(given))
              : Reflect.get(target, method),
        }),
      }),
    }).then((report) => expect(report.users.skipped).toEqual({ 'already-enabled': 1 }));
    expect((await during.user.get('/mfa/status')).body.authenticators).toHaveLength(1);

    const gone = await person();
    await importInto(host, PLAN);
    await gone.user.post('/mfa/disable', { code: codeAt(host.clock.nowMs(), 1) }).expect(200);
    expect(await importInto(host, PLAN)).toMatchObject({ ok: true, users: { skipped: { 'removed-since': 1 } } });
    expect(await requiresMfa(gone.user)).toBe(false);
  });

  it('S12 a setup that was under way ends with it', async () => {
    const { user } = await person();
    const setup = await user.post('/mfa/totp/setup', { password: 'correct horse battery staple' }).expect(200);
    expect(await importInto(host, PLAN)).toMatchObject({ ok: true, users: { imported: 1 } });
    const stray = HOTP.generate({
      secret: Secret.fromBase32(setup.body.secret),
      counter: Math.floor(host.clock.nowMs() / 30_000),
    });
    await user.post('/mfa/totp/confirm', { code: stray }).expect(404, /MFA_SETUP_NOT_FOUND/);
  });
});
