import { BY_TEST, RESET } from '../support/reset.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { dumpTables, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

let users = 0;
const userOf = (host: HostApp) => new Client(host, `leaving-${(users += 1)}`);

describe('disabling', () => {
  let host: HostApp;
  const newUser = () => userOf(host);

  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
  });
  afterAll(() => host.close());

  async function rowsOf({ userId }: Client): Promise<Record<string, number>> {
    const tables = Object.entries(await dumpTables(host)).map(([name, rows]) => [
      name,
      rows.filter((row) => (row as { user_id: string }).user_id === userId).length,
    ]);
    return Object.fromEntries(tables);
  }

  it('S59 removes authenticators, the pending secret and backup codes; spent codes stay spent', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await user.enrollAnother(authenticator.code());
    await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
    const { body } = await user.post('/mfa/disable', { code: authenticator.code(1) }).expect(200);
    expect(body).toEqual({ enabled: false });
    expect(await rowsOf(user)).toMatchObject({
      mfa_account: 1,
      mfa_authenticator: 0,
      mfa_backup_code: 0,
      mfa_usage: 5,
    });
    const account = expect.objectContaining({
      user_id: user.userId,
      active_ids: '',
      pending_id: null,
      backup_set_id: null,
    });
    expect((await dumpTables(host)).mfa_account).toContainEqual(account);
    expect((await user.get('/mfa/status')).body).toEqual({
      enabled: false,
      methods: [],
      authenticators: [],
      backupCodes: { remaining: 0, low: false },
      pendingSetup: false,
      proof: ['password'],
    });
    expect((await user.loginAnswer()).body).toEqual({ accessToken: expect.any(String) });
  });

  it('S59 refuses old codes after a new enrollment', async () => {
    const user = newUser();
    const old = await user.enroll();
    await user.post('/mfa/disable', { code: old.authenticator.code() }).expect(200);
    const { authenticator } = await user.enroll();
    const token = await user.login();
    await user.verify(token, old.authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
    await user.verify(token, old.backupCodes[0]).expect(401, /MFA_CODE_REJECTED/);
    await user.verify(token, authenticator.code()).expect(200);
  });

  it('accepts a backup code', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    await user.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
    expect(await rowsOf(user)).toMatchObject({ mfa_authenticator: 0, mfa_backup_code: 0 });
  });

  it.each([
    ['nothing', {}, 'MFA_PROOF_REQUIRED'],
    ['the password, which only an option allows', { password: PASSWORD }, 'MFA_PROOF_REQUIRED'],
    ['a wrong code', { code: '000000' }, 'MFA_CODE_REJECTED'],
    ['a wrong code beside the password', { code: '000000', password: PASSWORD }, 'MFA_CODE_REJECTED'],
  ])('S12 is refused on %s', async (_, body, code) => {
    const user = newUser();
    await user.enroll();
    expect((await user.post('/mfa/disable', body).expect(401)).body.code).toBe(code);
    expect((await user.get('/mfa/status')).body.enabled).toBe(true);
  });

  it('is refused where MFA is not enabled', async () => {
    await newUser()
      .post('/mfa/disable', { code: '123456' })
      .expect(409, /MFA_NOT_ENABLED/);
  });

  it('S60 calls revokeSessions, and every change is an event', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const other = await user.enrollAnother(authenticator.code());
    await user.post(`/mfa/authenticators/${other.id}/remove`, { code: authenticator.code() }).expect(200);
    await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code(1) }).expect(200);
    host.clock.advance(60);
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    const changes = [
      'mfa.authenticator.confirmed',
      'mfa.authenticator.confirmed',
      'mfa.authenticator.removed',
      'mfa.backup_codes.regenerated',
      'mfa.disabled',
    ];
    const revocations = host.state.revocations.filter((each) => each.endsWith(` ${user.userId}`));
    expect(revocations).toEqual(changes.map((change) => `${change} ${user.userId}`));
    const told = host.state.events.filter(({ userId, type }) => userId === user.userId && changes.includes(type));
    expect(told.map(({ type }) => type)).toEqual(changes);
  });

  it('S60 has the same effect when an administrator resets a user', async () => {
    const user = newUser();
    await user.enroll();
    await host.app.get(MfaAdminService, { strict: false }).reset(user.userId, RESET);
    expect(await rowsOf(user)).toMatchObject({ mfa_authenticator: 0, mfa_backup_code: 0 });
    expect(host.state.revocations).toContain(`mfa.reset ${user.userId}`);
    await user.enroll();
  });

  it('purgeUser removes every row of the user and none of others', async () => {
    const [user, other] = [newUser(), newUser()];
    const { authenticator, backupCodes } = await user.enroll();
    await user.signIn(authenticator.code());
    await user.signIn(backupCodes[0]!);
    await other.enroll();
    const before = await rowsOf(other);
    await host.app.get(MfaAdminService, { strict: false }).purgeUser(user.userId, BY_TEST);
    expect(Object.values(await rowsOf(user)).every((rows) => rows === 0)).toBe(true);
    expect(await rowsOf(other)).toEqual(before);
  });

  it('an administrator may name a user without MFA, but not a value that is not a user id', async () => {
    const admin = host.app.get(MfaAdminService, { strict: false });
    for (const method of ['unlock', 'invalidate', 'passwordChanged', 'reset', 'purgeUser'] as const) {
      const act = (id: unknown) =>
        (admin[method] as (id: unknown, action: object) => Promise<void>).call(admin, id, RESET);
      await expect(act('nobody')).resolves.toBeUndefined();
      for (const id of ['', ' padded ', 'x'.repeat(256), Number.NaN, 'nul\0']) {
        await expect(act(id)).rejects.toThrow(TypeError);
      }
    }
  });
});

describe('disabling by password, where the option allows it', () => {
  let host: HostApp;

  beforeAll(async () => {
    host = await startHostApp({ options: { ...FEW_CODES, enrollment: { disableWithPassword: true } } });
  });
  afterAll(() => host.close());

  it('accepts the password, or a code', async () => {
    const [one, two] = [userOf(host), userOf(host)];
    await one.enroll();
    await one.post('/mfa/disable', { password: PASSWORD }).expect(200, { enabled: false });
    const { authenticator } = await two.enroll();
    await two.post('/mfa/disable', { code: authenticator.code() }).expect(200, { enabled: false });
  });

  it('refuses a wrong password, and counts it in the budget of passwords', async () => {
    const user = userOf(host);
    const { authenticator } = await user.enroll();
    for (let i = 0; i < 5; i += 1) await user.post('/mfa/disable', { password: 'guess' }).expect(401);
    await user.post('/mfa/disable', { password: PASSWORD }).expect(429, /MFA_LOCKED/);
    expect((await user.get('/mfa/status')).body.enabled).toBe(true);
    await user.signIn(authenticator.code());
  });

  it('accepts the password in place of a code nowhere else', async () => {
    const user = userOf(host);
    const { id } = await user.enroll();
    for (const path of ['backup-codes/regenerate', `authenticators/${id}/remove`, 'totp/setup']) {
      await user.post(`/mfa/${path}`, { password: PASSWORD }).expect(401, /MFA_PROOF_REQUIRED/);
    }
  });
});
