import argon2 from 'argon2';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { dumpTables, startHostApp, type HostApp } from '../support/host-app.js';
import { importInto } from './importing.js';
import { createPythonTables, execute, formerly, PYTHON_PLAN, pythonUser, service } from './source-tables.js';

/** Guesses are not what these specs are about. */
const PATIENT = { attempts: { maxFailures: 1000, dailyBurst: 1000, disableAfter: 1000 } };

const accessTokenOf = ({ body }: { body: { accessToken?: string } }) => body.accessToken;

describe.each(testDatabases)('import of the Python service on %s', (kind) => {
  let host: HostApp;
  const user = (id: string) => new Client(host, id);
  const attempt = async (id: string, code: string) => {
    const { status } = await user(id).verify(await user(id).login(), code);
    return status;
  };

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: PATIENT });
    await formerly(host.database, (dataSource) => createPythonTables(dataSource));
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  const SKIPPED = [
    { what: 'user', userId: 'dan', reason: 'secret-undecryptable', bad: true },
    { what: 'user', userId: 'eve', reason: 'secret-undecryptable', bad: true },
    { what: 'user', userId: 'frank', reason: 'secret-malformed', bad: true },
    { what: 'user', userId: 'carol', reason: 'not-enabled', bad: false },
  ];

  it('tells first what it would do, and writes nothing', async () => {
    const report = await importInto(host, PYTHON_PLAN, { apply: false });
    expect(report).toEqual({
      applied: false,
      users: {
        read: 7,
        imported: 3,
        weak: 1,
        skipped: { 'not-enabled': 1, 'secret-undecryptable': 2, 'secret-malformed': 1 },
      },
      backupCodes: { read: 20, imported: 17, used: 3, skipped: {} },
      usage: { read: 3, spent: 2, expired: 1, withoutUser: 0 },
      skipped: SKIPPED,
      finished: true,
      interrupted: false,
      failure: null,
      ok: false,
    });
    for (const rows of Object.values(await dumpTables(host))) expect(rows).toEqual([]);
    await user('ada')
      .loginAnswer()
      .expect(201)
      .expect((answer) => expect(accessTokenOf(answer)).toBeDefined());
  });

  it('writes nothing at all under another key, and says why', async () => {
    const decrypt = { fernet: { keys: [{ secretKey: 'the secret of something else entirely' }] } };
    const report = await importInto(host, { ...PYTHON_PLAN, secret: { decrypt } });
    expect(report).toMatchObject({ ok: false, users: { imported: 0, skipped: { 'secret-undecryptable': 6 } } });
    for (const rows of Object.values(await dumpTables(host))) expect(rows).toEqual([]);
  });

  it('imports, and reports as the dry run did', async () => {
    const dry = await importInto(host, PYTHON_PLAN, { apply: false });
    expect(await importInto(host, PYTHON_PLAN)).toEqual({ ...dry, applied: true });
    const { mfa_account, mfa_authenticator, mfa_backup_code } = await dumpTables(host);
    expect(mfa_account).toHaveLength(3);
    expect(mfa_authenticator).toHaveLength(3);
    expect(mfa_backup_code).toHaveLength(17);
  });

  it('keeps no secret, code or foreign hash readable (S1)', async () => {
    const dump = JSON.stringify(await dumpTables(host));
    for (const { secret, token, backupCodes } of service.users) {
      for (const text of [secret, token].filter((each) => each !== '')) expect(dump).not.toContain(text);
      for (const { code, hash } of backupCodes) {
        for (const text of [code, code.replace('-', ''), hash]) expect(dump).not.toContain(text);
      }
    }
    expect(dump).not.toContain('argon2id');
  });

  it('changes nothing when it is run again', async () => {
    const before = await dumpTables(host);
    const again = await importInto(host, PYTHON_PLAN);
    expect(again.users).toMatchObject({ read: 7, imported: 0, skipped: { 'already-imported': 3, 'not-enabled': 1 } });
    expect(await dumpTables(host)).toEqual(before);
  });

  it('S27 refuses the codes that the other service accepted, and takes the next one once', async () => {
    const { totp } = pythonUser('ada');
    expect(await attempt('ada', totp['0']!)).toBe(401);
    expect(await attempt('ada', totp['-1']!)).toBe(401);
    expect(await attempt('ada', totp['1']!)).toBe(200);
    expect(await attempt('ada', totp['1']!)).toBe(401);
    // The same steps of a user who did not use them.
    expect(await attempt('bob', pythonUser('bob').totp['0']!)).toBe(200);
  });

  it('takes backup codes with and without hyphen, in any case, each once, and no used one', async () => {
    const [first, second, third] = pythonUser('ada').backupCodes.map(({ code }) => code);
    expect(await attempt('ada', first!)).toBe(200);
    expect(await attempt('ada', second!.replace('-', ''))).toBe(200);
    expect(await attempt('ada', ` ${third!.toLowerCase()} `)).toBe(200);
    // Each of them costs ten hashes.
    const spent = kind === 'sqlite' ? [first!, second!, third!.toLowerCase()] : [first!];
    for (const code of spent) expect(await attempt('ada', code)).toBe(401);
    const bobs = pythonUser('bob').backupCodes;
    expect(await attempt('bob', bobs[0]!.code)).toBe(401);
    expect(await attempt('bob', bobs[3]!.code)).toBe(200);
    expect(await attempt('grace', bobs[4]!.code)).toBe(401);
  });

  it('S6 S58 tells owners in status to regenerate, and of a weak secret, until they have', async () => {
    const ada = user('ada');
    const runners = vi.spyOn(host.dataSource, 'createQueryRunner');
    const { body } = await ada.get('/mfa/status').expect(200);
    expect(body).toMatchObject({ enabled: true, backupCodes: { remaining: 7, low: false, regenerate: true } });
    expect(runners).toHaveBeenCalledTimes(1); // one statement, with an imported set too
    expect(body.authenticators).toEqual([expect.not.objectContaining({ weak: true })]);
    const grace = await user('grace').get('/mfa/status').expect(200);
    expect(grace.body).toMatchObject({ authenticators: [{ weak: true }], backupCodes: { remaining: 0, low: true } });
    expect(grace.body.backupCodes).not.toHaveProperty('regenerate');

    host.clock.advance(30);
    await ada.post('/mfa/backup-codes/regenerate', { code: pythonUser('ada').totp['2'] }).expect(200);
    const after = await ada.get('/mfa/status').expect(200);
    expect(after.body.backupCodes).toEqual({ remaining: 10, low: false });
    expect(await attempt('ada', pythonUser('ada').backupCodes[4]!.code)).toBe(401);
  });

  it('S37 S58 a guess costs one Argon2 for each imported hash, and one again after regenerating', async () => {
    const hash = vi.spyOn(argon2, 'hash');
    const cost = async (id: string) => {
      hash.mockClear();
      await attempt(id, 'ZZZZ-ZZZ2');
      return hash.mock.calls.length;
    };
    expect([await cost('bob'), await cost('ada'), await cost('grace')]).toEqual([7, 1, 1]);
  });

  it('S10 nothing of the old tables opens anything by itself', async () => {
    const { token } = pythonUser('bob');
    await execute(host.dataSource, `UPDATE mfa_authenticator SET secret = ? WHERE user_id = 'bob'`, [token]);
    expect(await attempt('bob', pythonUser('bob').totp['2']!)).toBe(401);
  });
});
