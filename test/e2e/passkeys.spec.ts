import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import { testDatabases } from '../support/databases.js';
import { ADAPTERS, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

const CASES = testDatabases.flatMap((database) =>
  (database === 'sqlite' ? ADAPTERS : (['express'] as const)).map((adapter) => [database, adapter] as const),
);

describe.each(CASES)('passkeys on %s with %s', (database, adapter) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new PasskeyClient(host, `user-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ database, adapter, options: PASSKEYS });
  });
  afterAll(() => host.close());

  it('enroll as the only factor, with backup codes, and sign in', async () => {
    const user = newUser();
    const key = newKey();
    const { backupCodes } = await user.addPasskey(key, undefined, 'Laptop');
    expect(backupCodes).toHaveLength(10);
    const status = await user.get('/mfa/status').expect(200);
    expect(status.body).toMatchObject({
      enabled: true,
      methods: ['passkey', 'backup_code'],
      authenticators: [{ type: 'passkey', name: 'Laptop', lastUsedAt: null }],
      proof: ['passkey', 'backup_code'],
    });
    const login = await user.loginAnswer();
    expect(login.body.methods).toEqual(['passkey', 'backup_code']);
    const answer = await user.signInByPasskey(key);
    expect(answer.status).toBe(200);
    expect(host.state.completedLogins.at(-1)).toMatchObject({
      factor: 'passkey',
      amr: ['hwk', 'user', 'mfa'],
      backupCodesRemaining: 10,
    });
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body.authenticators[0].lastUsedAt).toEqual(expect.any(String));
  });

  it('are used next to TOTP, and several of one user sign in', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const [usb, phone] = [newKey(), newKey({ synced: true })];
    expect((await user.addPasskey(usb, { code: authenticator.code() })).backupCodes).toBeUndefined();
    await user.addPasskey(phone, { passkey: await user.prove(usb) });
    for (const key of [usb, phone]) expect((await user.signInByPasskey(key)).status).toBe(200);
    expect(host.state.completedLogins.at(-1)!.amr).toEqual(['swk', 'user', 'mfa']);
    await user.verify(await user.login(), authenticator.code(1)).expect(200);
    const { body } = await user.get('/mfa/status');
    expect(body.methods).toEqual(['totp', 'passkey', 'backup_code']);
    expect(body.authenticators.map(({ type }: { type: string }) => type)).toEqual(['totp', 'passkey', 'passkey']);
  });

  it('step up, are renamed and removed, and prove changes', async () => {
    const user = newUser();
    const key = newKey();
    await user.addPasskey(key);
    const stepUp = await user.post('/mfa/step-up', { passkey: await user.prove(key, 'step-up') }).expect(200);
    expect(stepUp.body.amr).toEqual(['hwk', 'user', 'mfa']);
    const [{ id }] = (await user.get('/mfa/status')).body.authenticators;
    const renamed = await user.patch(`/mfa/authenticators/${id}`, { name: 'Blue key' }).expect(200);
    expect(renamed.body).toMatchObject({ id, type: 'passkey', name: 'Blue key' });
    const codes = await user.post('/mfa/backup-codes/regenerate', { passkey: await user.prove(key) }).expect(200);
    expect(codes.body.backupCodes).toHaveLength(10);
    const removed = await user.post(`/mfa/authenticators/${id}/remove`, { passkey: await user.prove(key) }).expect(200);
    expect(removed.body).toMatchObject({ enabled: false, removed: { id, type: 'passkey', name: 'Blue key' } });
    expect((await user.loginAnswer()).body.mfaRequired).toBeUndefined();
    // A removed key can be registered again (S81), under the same user handle.
    await user.addPasskey(key);
    expect((await user.signInByPasskey(key)).status).toBe(200);
  });

  it('S84 protect changes: a TOTP code is neither evaluated nor counted nor spent', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await user.addPasskey(newKey(), { code: authenticator.code() });
    host.clock.advance(30);
    const code = authenticator.code();
    const [{ id }] = (await user.get('/mfa/status')).body.authenticators;
    for (const path of [
      'totp/setup',
      'passkeys/setup',
      'backup-codes/regenerate',
      `authenticators/${id}/remove`,
      'disable',
    ]) {
      const { body } = await user.post(`/mfa/${path}`, { code, password: PASSWORD }).expect(401);
      expect(body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['passkey', 'backup_code'] });
    }
    await user.verify(await user.login(), code).expect(200);
    await user.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
  });

  it('return 404 for options of a user without passkeys, and 401 for a token that is none', async () => {
    const user = newUser();
    await user.enroll();
    const { body } = await user.post('/mfa/passkeys/options').expect(404);
    expect(body.code).toBe('MFA_AUTHENTICATOR_NOT_FOUND');
    const answer = await request(user.server).post('/mfa/passkeys/options').send({ mfa_token: 'x' }).expect(401);
    expect(answer.body.code).toBe('MFA_TOKEN_INVALID');
    await request(user.server).post('/mfa/passkeys/options').send({}).expect(401);
  });
});
