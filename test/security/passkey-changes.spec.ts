import { BY_TEST, RESET } from '../support/reset.js';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { dumpTables, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { BackupCodeHasher } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

const withPasskey = async (owner: PasskeyClient) => {
  const { authenticator, backupCodes } = await owner.enroll();
  const key = newKey({ synced: true });
  await owner.addPasskey(key, { code: authenticator.code() });
  owner.host.clock.advance(30);
  const { authenticators } = (await owner.get('/mfa/status')).body;
  const ids = authenticators.map(({ id }: { id: string }) => id) as string[];
  return { authenticator, backupCodes, key, ids };
};

/** Every route that changes the factors of a user who has some. */
const changeRoutes = (ids: string[]) => [
  'totp/setup',
  'passkeys/setup',
  'backup-codes/regenerate',
  ...ids.map((id) => `authenticators/${id}/remove`),
  'disable',
];

describe.each(testDatabases)('changes by users with a passkey, on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new PasskeyClient(host, `user-${(users += 1)}`);
  beforeAll(async () => {
    const enrollment = { disableWithPassword: true };
    host = await startHostApp({ database, options: { ...PASSKEYS, ...FEW_CODES, enrollment } });
  });
  afterAll(() => host.close());

  it('S84 refuse right and wrong TOTP codes and the password at every route, without counting or spending', async () => {
    const owner = newUser();
    const { authenticator, ids } = await withPasskey(owner);
    const code = authenticator.code();
    const before = await dumpTables(host);
    const proofs = [
      { code },
      { code, password: PASSWORD },
      { code, method: 'totp' },
      { password: PASSWORD },
      {},
      ...Array.from({ length: 12 }, (_, guess) => ({ code: String(100_000 + guess) })),
    ];
    for (const path of changeRoutes(ids))
      for (const proof of proofs) {
        const { body } = await owner.post(`/mfa/${path}`, proof).expect(401);
        expect(body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['passkey', 'backup_code'] });
      }
    expect(await dumpTables(host)).toEqual(before);
    // The code still signs in: it was not spent, and nothing is locked.
    await owner.verify(await owner.login(), code).expect(200);
  });

  it('S84 are proved by a backup code, and by a passkey', async () => {
    const owner = newUser();
    const { backupCodes, key, ids } = await withPasskey(owner);
    await owner.setupPasskey({ code: backupCodes[0] }).expect(200);
    await owner.post(`/mfa/authenticators/${ids[0]}/remove`, { passkey: await owner.prove(key) }).expect(200);
    await owner.post('/mfa/disable', { code: backupCodes[1] }).expect(200);
  });

  it('S84 a TOTP code regenerates no backup codes where a passkey is confirmed meanwhile', async () => {
    const owner = newUser();
    const { authenticator } = await owner.enroll();
    const { body } = await owner.setupPasskey({ code: authenticator.code() }).expect(200);
    host.clock.advance(30);
    const key = newKey();
    const hasher = host.app.get<BackupCodeHasher>(BackupCodeHasher, { strict: false });
    const hashSet = hasher.hashSet.bind(hasher);
    vi.spyOn(hasher, 'hashSet').mockImplementationOnce(async (...args) => {
      const hashed = await hashSet(...args);
      await owner.confirmPasskey(key.create(body.options)).expect(200);
      return hashed;
    });
    await owner.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(401, /MFA_CODE_REJECTED/);
    vi.restoreAllMocks();
    expect((await owner.get('/mfa/status')).body.backupCodes.remaining).toBe(4);
    expect((await owner.signInByPasskey(key)).status).toBe(200);
  });

  it('S12 S84 the registration of a first passkey needs the proof of a first enrollment', async () => {
    const owner = newUser();
    for (const proof of [{}, { password: 'wrong' }, { code: '123456' }])
      await owner.setupPasskey(proof).expect(401, /MFA_PROOF_REQUIRED/);
    expect((await owner.get('/mfa/status')).body.enabled).toBe(false);
    await owner.addPasskey(newKey());
  });
});

it('S84 the option protectChanges: false accepts a TOTP code, and counts wrong ones', async () => {
  const passkeys = { ...PASSKEYS.passkeys, protectChanges: false };
  const host = await startHostApp({ options: { passkeys, ...FEW_CODES } });
  const owner = new PasskeyClient(host, 'owner');
  const { authenticator, ids } = await withPasskey(owner);
  await owner.setupPasskey({}).expect(401, /"proof":\["code","passkey"\]/);
  await owner.setupPasskey({ code: authenticator.code() }).expect(200);
  host.clock.advance(30);
  for (let guess = 0; guess < 5; guess += 1) await owner.post('/mfa/disable', { code: '000000' });
  await owner.post('/mfa/disable', { code: authenticator.code() }).expect(429, /MFA_LOCKED/);
  host.clock.advance(16 * 60);
  await owner.post(`/mfa/authenticators/${ids[1]}/remove`, { code: authenticator.code() }).expect(200);
  await host.close();
});

describe.each(testDatabases)('an application on %s that switched passkeys off', (kind) => {
  let database: TestDatabase;
  let on: HostApp;
  let off: HostApp;
  beforeAll(async () => {
    database = await createDatabase(kind);
    on = await startHostApp({ on: database, options: { ...PASSKEYS, ...FEW_CODES } });
    off = await startHostApp({ on: database, options: FEW_CODES });
  });
  afterAll(async () => {
    await on.close();
    await off.close();
    await database.drop();
  });

  /** A user with nothing but a passkey, at the application without passkeys. */
  async function registered(userId: string) {
    const key = newKey();
    const there = new PasskeyClient(on, userId);
    const { backupCodes } = await there.addPasskey(key);
    const { allowCredentials } = (await there.startPasskeyLogin()).options as { allowCredentials: { id: string }[] };
    const credentialId = allowCredentials[0]!.id;
    return { key, credentialId, there, here: new PasskeyClient(off, userId), backupCodes: backupCodes! };
  }
  const passkeyRows = async (userId: string) =>
    (await dumpTables(off)).mfa_passkey!.filter((row) => (row as { user_id: string }).user_id === userId).length;

  it('S43a still requires the second factor, and accepts backup codes but no passkey', async () => {
    const { key, there, here, backupCodes } = await registered('kept');
    const login = await here.loginAnswer().expect(201);
    expect(login.body).toMatchObject({ mfaRequired: true, methods: ['backup_code'] });
    const { options } = await there.startPasskeyLogin();
    const before = await dumpTables(off);
    await here.verifyPasskey(login.body.mfa_token, key.get(options)).expect(401, /MFA_CODE_REJECTED/);
    await here.post('/mfa/step-up', { passkey: await there.prove(key, 'step-up') }).expect(401);
    await request(here.server).post('/mfa/passkeys/options').send({ mfa_token: login.body.mfa_token }).expect(404);
    await here.setupPasskey().expect(404);
    await here.confirmPasskey({}).expect(404);
    expect(await dumpTables(off)).toEqual(before);
    await here.get('/transfers').expect(401);
    expect((await here.get('/mfa/status').expect(200)).body).toMatchObject({
      enabled: true,
      authenticators: [{ type: 'passkey', name: 'Passkey' }],
    });
    await here.verify(login.body.mfa_token, backupCodes[0]).expect(200);
  });

  it('S59 S81 removal, disabling, reset and purge delete the rows', async () => {
    const admin = off.app.get(MfaAdminService, { strict: false });
    const removed = await registered('removed');
    const [{ id }] = (await removed.here.get('/mfa/status')).body.authenticators;
    await removed.here.post(`/mfa/authenticators/${id}/remove`, { code: removed.backupCodes[0] }).expect(200);
    const disabled = await registered('disabled');
    await disabled.here.post('/mfa/disable', { code: disabled.backupCodes[0] }).expect(200);
    await registered('reset');
    await admin.reset('reset', RESET);
    await registered('purged');
    await admin.purgeUser('purged', BY_TEST);
    for (const userId of ['removed', 'disabled', 'reset', 'purged']) {
      expect({ userId, rows: await passkeyRows(userId) }).toEqual({ userId, rows: 0 });
      expect((await new PasskeyClient(off, userId).loginAnswer()).body).toHaveProperty('accessToken');
    }
    // The same credentials can be registered again, by anybody.
    for (const { key, credentialId } of [removed, disabled]) {
      const finder = new PasskeyClient(on, `finder of ${credentialId}`);
      const { body } = await finder.setupPasskey().expect(200);
      await finder.confirmPasskey(key.create(body.options, { credentialId })).expect(200);
    }
  });
});
