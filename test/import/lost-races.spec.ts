import argon2 from 'argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import type { ImportTools } from '../../libs/mfa/src/import/import-tools.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';
import { importInto } from './importing.js';
import { codeAt, PLAN, SECRET } from './people.js';
import { createTable, execute, formerly, type Value } from './source-tables.js';

const CODES = ['AB12-CD34', 'EF56-GH78'] as const;

const UNFINISHED = { ok: false, failure: null, users: { imported: 0, skipped: { 'changed-meanwhile': 1 } } };
const FINISHED = { ok: true, users: { skipped: { 'already-imported': 1 } } };

type Store = Exclude<keyof ImportTools, 'box' | 'clock'>;

/** Does the work once. */
function once(work: () => Promise<unknown>): () => Promise<unknown> {
  let done: Promise<unknown> | undefined;
  return () => (done ??= work());
}

/** Does the work before or after each call of a method. */
function disturbed(when: 'before' | 'after', store: Store, method: string, work: () => Promise<unknown>) {
  const tools = (real: ImportTools): ImportTools => ({
    ...real,
    [store]: new Proxy<object>(real[store], {
      get: (target, name) => {
        const own: unknown = Reflect.get(target, name);
        if (typeof own !== 'function') return own;
        if (name !== method) return own.bind(target);
        return async (...given: unknown[]) => {
          if (when === 'before') await work();
          const result: unknown = await own.apply(target, given);
          if (when === 'after') await work();
          return result;
        };
      },
    }),
  });
  return { tools };
}

describe.each(testDatabases)('an import whose user changes meanwhile on %s', (kind) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let people = 0;
  const hashes: string[] = [];
  const set = (text: string, values: Value[] = []) =>
    formerly(host.database, (dataSource) => execute(dataSource, text, values));

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
    admin = host.app.get(MfaAdminService);
    for (const code of CODES) hashes.push(await argon2.hash(code, { memoryCost: 64, timeCost: 1, parallelism: 1 }));
    await formerly(host.database, async (dataSource) => {
      await createTable(dataSource, 'people', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' });
      await createTable(dataSource, 'people_codes', { person: 'VARCHAR(20)', hash: 'TEXT', used: 'BOOLEAN' });
      await createTable(dataSource, 'people_usage', { person: 'VARCHAR(20)', window: 'BIGINT' });
    });
  });
  afterAll(() => host.close());

  /** One person is in the source at a time. */
  async function person(): Promise<Client> {
    const id = `person-${(people += 1)}`;
    await formerly(host.database, async (old) => {
      for (const table of ['people', 'people_codes', 'people_usage']) await execute(old, `DELETE FROM ${table}`);
      await execute(old, 'INSERT INTO people VALUES (?, ?, ?)', [id, SECRET, true]);
      for (const hash of hashes) await execute(old, 'INSERT INTO people_codes VALUES (?, ?, ?)', [id, hash, false]);
    });
    return new Client(host, id);
  }
  const useFirstCode = () => set('UPDATE people_codes SET used = ? WHERE hash = ?', [true, hashes[0]!]);
  const passwordChange =
    ({ userId }: Client) =>
    () =>
      admin.passwordChanged(userId, BY_TEST);
  const attempt = async (user: Client, code: string) => (await user.verify(await user.login(), code)).status;

  async function usedRows({ userId }: Client): Promise<number> {
    const rows = await host.dataSource.query(`SELECT user_id FROM mfa_backup_code WHERE used_at IS NOT NULL`);
    return rows.filter((row: { user_id: string }) => row.user_id === userId).length;
  }
  async function codesLeft({ userId }: Client): Promise<number> {
    const rows = await host.dataSource.query('SELECT user_id, backup_codes_left FROM mfa_account');
    return Number(rows.find((row: { user_id: string }) => row.user_id === userId).backup_codes_left);
  }

  it('S32 a backup code that the other system accepted stays refused after a password change during the import', async () => {
    const user = await person();
    await importInto(host, PLAN);
    await useFirstCode();
    const changing = disturbed('after', 'backupCodes', 'list', once(passwordChange(user)));
    const report = await importInto(host, PLAN, changing);
    expect(await attempt(user, CODES[0])).toBe(401);
    expect(report).toMatchObject(FINISHED);
    expect([await usedRows(user), await codesLeft(user)]).toEqual([1, 1]);
  });

  it('S32 an import of an account that keeps changing is unfinished, and the next run completes it', async () => {
    const user = await person();
    await importInto(host, PLAN);
    await useFirstCode();
    const changing = disturbed('after', 'backupCodes', 'list', passwordChange(user));
    expect(await importInto(host, PLAN, changing)).toMatchObject(UNFINISHED);
    expect([await usedRows(user), await codesLeft(user)]).toEqual([0, 2]);
    expect(await importInto(host, PLAN)).toMatchObject(FINISHED);
    expect([await usedRows(user), await codesLeft(user)]).toEqual([1, 1]);
    expect(await attempt(user, CODES[0])).toBe(401);
  });

  it('S32 a used backup code that only its row marks as used is spent by the next import', async () => {
    const user = await person();
    await importInto(host, PLAN);
    await useFirstCode();
    await importInto(host, PLAN);
    await set(`DELETE FROM mfa_usage WHERE user_id = ? AND kind = 'backup_code'`, [user.userId]);
    expect(await importInto(host, PLAN)).toMatchObject(FINISHED);
    expect(await attempt(user, CODES[0])).toBe(401);
  });

  it('S27 a code that the other system accepted stays refused after a password change during the import', async () => {
    const user = await person();
    await importInto(host, PLAN);
    const now = host.clock.nowMs();
    await set('INSERT INTO people_usage VALUES (?, ?)', [user.userId, Math.floor(now / 30_000)]);
    const changing = disturbed('after', 'usage', 'list', once(passwordChange(user)));
    expect(await importInto(host, PLAN, changing)).toMatchObject(FINISHED);
    expect([await attempt(user, codeAt(now)), await attempt(user, codeAt(now, 1))]).toEqual([401, 200]);
  });

  it('S59 a user who enrolled here gets no old secret back after a password change during the import', async () => {
    const user = await person();
    const { authenticator } = await user.enroll();
    const changing = disturbed('after', 'usage', 'list', once(passwordChange(user)));
    expect(await importInto(host, PLAN, changing)).toMatchObject({
      ok: true,
      users: { skipped: { 'already-enabled': 1 } },
    });
    host.clock.advance(60);
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    expect(await importInto(host, PLAN)).toMatchObject({ ok: true, users: { skipped: { 'removed-since': 1 } } });
  });

  it.each(['markUsed', 'recount'])('S32 the next import completes one that died before %s', async (method) => {
    const user = await person();
    await importInto(host, PLAN);
    await useFirstCode();
    const dying = disturbed('before', 'backupCodes', method, () => Promise.reject(new Error('dead')));
    expect(await importInto(host, PLAN, dying)).toMatchObject({ ok: false, failure: 'dead' });
    expect(await importInto(host, PLAN)).toMatchObject(FINISHED);
    expect([await usedRows(user), await codesLeft(user)]).toEqual([1, 1]);
    expect(await attempt(user, CODES[0])).toBe(401);
  });

  it('a user who is purged during the import does not end it', async () => {
    const { userId } = await person();
    const purging = disturbed(
      'after',
      'usage',
      'spend',
      once(() => admin.purgeUser(userId, BY_TEST)),
    );
    expect(await importInto(host, PLAN, purging)).toMatchObject({ ok: true, users: { imported: 1 } });
  });
});
