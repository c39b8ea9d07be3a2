import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { URI, type TOTP } from 'otpauth';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { ADAPTERS, dumpTables, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

describe.each(ADAPTERS)('enrollment over %s', (adapter) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `enrolling-${(users += 1)}`);
  const setup = (user: Client, body: object = { password: PASSWORD }) => user.post('/mfa/totp/setup', body);
  const appFor = (otpauthUri: string) => new VirtualAuthenticator(otpauthUri, host.clock);

  beforeAll(async () => {
    host = await startHostApp({ adapter, options: { ...FEW_CODES, enrollment: { maxAuthenticators: 2 } } });
  });
  afterAll(() => host.close());

  it('S11 gives every user a different secret of 160 bits, with all that an authenticator app needs', async () => {
    const { body } = await setup(newUser()).expect(200);
    expect(body.secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(body.manualKey.replaceAll(' ', '')).toBe(body.secret);
    expect(body.manualKey).toMatch(/^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
    expect(body.qrCode).toMatch(/^data:image\/png;base64,[A-Za-z0-9+/=]+$/);
    expect(body.qrSvg).toMatch(/^<svg /);
    expect(new Date(body.expiresAt).toISOString()).toBe(body.expiresAt);
    const uri = URI.parse(body.otpauthUri) as TOTP;
    expect(uri).toMatchObject({ issuer: 'Acme', label: `enrolling-${users}@example.test`, digits: 6, period: 30 });
    expect(uri.secret.base32).toBe(body.secret);
    expect((await setup(newUser()).expect(200)).body.secret).not.toBe(body.secret);
  });

  it('S79 returns the same secret, expiry and name when the same session repeats the setup with any name', async () => {
    const user = newUser();
    const first = await setup(user, { password: PASSWORD, name: 'Phone' }).expect(200);
    host.clock.advance(120);
    const second = await setup(user, { password: PASSWORD, name: 'Tablet' }).expect(200);
    expect(first.body.resumed).toBe(false);
    expect(second.body).toEqual({ ...first.body, resumed: true });
    await user.post('/mfa/totp/confirm', { code: appFor(first.body.otpauthUri).code() }).expect(200);
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body.authenticators).toMatchObject([{ id: first.body.authenticatorId, name: 'Phone' }]);
  });

  it.each([
    ['nothing', {}],
    ['an empty password', { password: '' }],
    ['a wrong password', { password: 'guess' }],
    ['a code', { code: '123456' }],
  ])('S12 refuses the first setup on %s', async (_, body) => {
    const user = newUser();
    await setup(user, body).expect(401, /MFA_PROOF_REQUIRED/);
    expect((await user.get('/mfa/status')).body.pendingSetup).toBe(false);
  });

  it('S12 requires a code for a further authenticator; the password alone changes nothing', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await setup(user, { password: PASSWORD }).expect(401, /MFA_PROOF_REQUIRED/);
    await setup(user, { code: '000000' }).expect(401, /MFA_CODE_REJECTED/);
    expect((await user.get('/mfa/status')).body.pendingSetup).toBe(false);
    await setup(user, { code: authenticator.code() }).expect(200);
  });

  it('S12 accepts a backup code for a further authenticator', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    await setup(user, { code: backupCodes[0] }).expect(200);
    await setup(user, { code: backupCodes[0] }).expect(401, /MFA_CODE_REJECTED/);
  });

  it('S13 S19 neither requires MFA at login, nor accepts a code elsewhere, nor has backup codes while pending', async () => {
    const user = newUser();
    const { body } = await setup(user).expect(200);
    const code = appFor(body.otpauthUri).code();
    const login = await user.loginAnswer().expect(201);
    expect(login.body).toEqual({ accessToken: expect.any(String) });
    for (const path of ['/mfa/step-up', '/mfa/disable', '/mfa/backup-codes/regenerate']) {
      await user.post(path, { code }).expect(409, /MFA_NOT_ENABLED/);
    }
    await user.post(`/mfa/authenticators/${body.authenticatorId}/remove`, { code }).expect(409, /MFA_NOT_ENABLED/);
    const before = await dumpTables(host);
    await user.patch(`/mfa/authenticators/${body.authenticatorId}`, { name: 'X' }).expect(404);
    expect(await dumpTables(host)).toEqual(before);
    expect((await user.get('/mfa/status')).body).toEqual({
      enabled: false,
      methods: [],
      authenticators: [],
      backupCodes: { remaining: 0, low: false },
      pendingSetup: true,
      proof: ['password'],
    });
    expect((await dumpTables(host)).mfa_backup_code).not.toContainEqual(
      expect.objectContaining({ user_id: user.userId }),
    );
  });

  it('S13 refuses codes of a pending second secret at login', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const pending = await setup(user, { code: authenticator.code() }).expect(200);
    host.clock.advance(30);
    const token = await user.login();
    await user.verify(token, appFor(pending.body.otpauthUri).code()).expect(401, /MFA_CODE_REJECTED/);
    await user.verify(token, authenticator.code()).expect(200);
  });

  it('S15 keeps the live secret working through a setup, a wrong confirmation and a right one', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const pending = await setup(user, { code: authenticator.code() }).expect(200);
    await user.post('/mfa/totp/confirm', { code: '000000' }).expect(401, /MFA_CODE_REJECTED/);
    host.clock.advance(30);
    await user.signIn(authenticator.code());
    const confirmed = await user.post('/mfa/totp/confirm', { code: appFor(pending.body.otpauthUri).code() });
    expect(confirmed.body).toEqual({ enabled: true, session: { renewed: true } });
    host.clock.advance(30);
    await user.signIn(authenticator.code());
    await user.signIn(appFor(pending.body.otpauthUri).code());
  });

  it('S16 S27 spends the code of the confirmation', async () => {
    const user = newUser();
    const { body } = await setup(user).expect(200);
    const code = appFor(body.otpauthUri).code();
    await user.post('/mfa/totp/confirm', { code }).expect(200);
    await user.verify(await user.login(), code).expect(401, /MFA_CODE_REJECTED/);
    await user.post('/mfa/totp/confirm', { code }).expect(404, /MFA_SETUP_NOT_FOUND/);
  });

  it('S18 drops a pending secret after ten minutes, and a new setup has a new secret', async () => {
    const user = newUser();
    const { body } = await setup(user).expect(200);
    expect(new Date(body.expiresAt).getTime()).toBe(host.clock.nowMs() + 600_000);
    host.clock.advance(600);
    expect((await user.get('/mfa/status')).body.pendingSetup).toBe(false);
    const late = appFor(body.otpauthUri).code();
    await user.post('/mfa/totp/confirm', { code: late }).expect(404, /MFA_SETUP_NOT_FOUND/);
    expect((await setup(user).expect(200)).body.secret).not.toBe(body.secret);
  });

  it('S18 confirms a pending secret a second before its expiry', async () => {
    const user = newUser();
    const { body } = await setup(user).expect(200);
    host.clock.advance(599);
    await user.post('/mfa/totp/confirm', { code: appFor(body.otpauthUri).code() }).expect(200);
  });

  it('S19 shows backup codes at the first confirmation only', async () => {
    const user = newUser();
    const { backupCodes, authenticator } = await user.enroll();
    expect(backupCodes).toHaveLength(4);
    const { body } = await setup(user, { code: authenticator.code() }).expect(200);
    const second = await user.post('/mfa/totp/confirm', { code: appFor(body.otpauthUri).code() }).expect(200);
    expect(second.body).not.toHaveProperty('backupCodes');
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(4);
  });

  it('counts the confirmation as the second factor of the session that made it, and of no other', async () => {
    const user = newUser();
    const elsewhere = newUserSession(user);
    await user.get('/transfers').expect(403, /MFA_ENROLLMENT_REQUIRED/);
    await user.enroll();
    await user.get('/transfers').expect(200);
    await elsewhere.get('/payouts').expect(401, /MFA_STEP_UP_REQUIRED/);
  });

  it('refuses more authenticators than the option allows with MFA_TOO_MANY_AUTHENTICATORS', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await user.enrollAnother(authenticator.code());
    const before = await dumpTables(host);
    await setup(user, { code: authenticator.code() }).expect(409, /MFA_TOO_MANY_AUTHENTICATORS/);
    expect(await dumpTables(host)).toEqual(before);
  });

  const newUserSession = ({ userId }: Client) => new Client(host, userId);

  it('renames an authenticator of its owner, trimming the name', async () => {
    const user = newUser();
    const { id } = await user.enroll();
    const { body } = await user.patch(`/mfa/authenticators/${id}`, { name: '  Work phone ' }).expect(200);
    expect(body).toEqual({ id, type: 'totp', name: 'Work phone', createdAt: expect.any(String), lastUsedAt: null });
    expect((await user.get('/mfa/status')).body.authenticators).toEqual([body]);
  });

  it("S48 returns the error of an unknown authenticator for another user's, and changes nothing", async () => {
    const owner = newUser();
    const { id } = await owner.enroll();
    const other = newUser();
    const { authenticator } = await other.enroll();
    const before = await dumpTables(host);
    const unknown = '00000000-0000-4000-8000-000000000000';
    const answers = await Promise.all(
      [id, unknown].map((each) => other.patch(`/mfa/authenticators/${each}`, { name: 'Mine' }).expect(404)),
    );
    expect(answers[0]!.text).toBe(answers[1]!.text);
    expect(answers[0]!.body.code).toBe('MFA_AUTHENTICATOR_NOT_FOUND');
    await other.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(404);
    expect(await dumpTables(host)).toEqual(before);
  });

  it('removes one of two authenticators with a code of either; the other one keeps working', async () => {
    const user = newUser();
    const { authenticator, id } = await user.enroll();
    const second = await user.enrollAnother(authenticator.code(), 'Tablet');
    const path = `/mfa/authenticators/${id}/remove`;
    await user.post(path).expect(401, /MFA_PROOF_REQUIRED/);
    await user.post(path, { code: '000000' }).expect(401, /MFA_CODE_REJECTED/);
    const { body } = await user.post(path, { code: second.authenticator.code() }).expect(200);
    expect(body).toMatchObject({ enabled: true, authenticators: [{ id: second.id, name: 'Tablet' }] });
    host.clock.advance(30);
    await user.verify(await user.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
    await user.signIn(second.authenticator.code());
  });

  it('disables MFA when the last authenticator is removed', async () => {
    const user = newUser();
    const { authenticator, id } = await user.enroll();
    const { body } = await user.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(200);
    expect(body).toMatchObject({ enabled: false, methods: [], authenticators: [], backupCodes: { remaining: 0 } });
    expect((await user.loginAnswer()).body).toHaveProperty('accessToken');
    expect(host.state.revocations.at(-1)).toBe(`mfa.disabled ${user.userId}`);
  });
});
