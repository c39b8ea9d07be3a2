import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaCleanupService, MfaDeviceEntity, MfaDeviceService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { testDatabases } from '../support/databases.js';
import { Browser, DeviceClient, DEVICES } from '../support/device-client.js';
import { dumpTables, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PASSKEYS } from '../support/passkey-client.js';
import { PolicyHost } from '../support/policy-host.js';
import { BY_TEST, RESET } from '../support/reset.js';

const DAY = 24 * 60 * 60;
const SETUP = { host: PolicyHost, namesAccounts: true, options: { ...DEVICES, ...PASSKEYS } };
const COOKIE =
  /^__Host-mfa-device-[\w-]{22}=[\w-]{22}\.[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax; Secure$/;

describe.each(testDatabases)('trusted devices on %s', (database) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let users = 0;
  const newUser = (browser?: Browser) => new DeviceClient(host, `user-${(users += 1)}`, browser);
  const eventsOf = ({ userId }: { userId: string }) =>
    host.state.events
      .filter((each) => each.userId === userId && each.type.startsWith('mfa.device'))
      .map(({ type }) => type);
  const lastOpened = () => host.state.openedLogins.at(-1)!;

  /** An enrolled user whose browser is trusted. */
  async function trusting(browser?: Browser) {
    const user = newUser(browser);
    const { authenticator, backupCodes, id } = await user.enroll();
    const verified = await user.trust(authenticator.code());
    expect(verified.status).toBe(200);
    user.session = verified.body.accessToken as string;
    host.clock.advance(30);
    return { user, authenticator, backupCodes, id };
  }

  beforeAll(async () => {
    host = await startHostApp({ database, ...SETUP });
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  it('S110 sets a __Host- cookie for 30 days that does not contain the user id', async () => {
    const { user } = await trusting();
    const [cookie, ...others] = user.browser.received;
    expect(cookie).toMatch(COOKIE);
    expect(others).toEqual([]);
    expect(cookie).not.toContain(user.userId);
    expect(Buffer.from(/device-([\w-]+)=/.exec(cookie!)![1]!, 'base64url').toString('latin1')).not.toContain(
      user.userId,
    );
  });

  it('skips the second step of the next login, with the time of the real proof', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const provedAt = host.clock.nowMs();
    await user.trust(authenticator.code());
    host.clock.advance(3600);
    const { body } = await user.logIn();
    expect(body.mfaRequired).toBeUndefined();
    expect(lastOpened()).toEqual({
      userId: user.userId,
      amr: ['mfa'],
      mfaAt: new Date(provedAt),
      factor: null,
      backupCodesRemaining: 4,
      enrollmentDueAt: null,
    });
    // The session has a second factor, and it is as old as its proof.
    user.session = body.accessToken as string;
    await user.get('/payouts').expect(200);
    const refused = await user.get('/transfers').expect(401);
    expect(refused.body.code).toBe('MFA_STEP_UP_REQUIRED');
    expect(eventsOf(user)).toEqual(['mfa.device.trusted', 'mfa.device.used']);
  });

  it('asks in another browser, without rememberDevice, and for another user of the same browser', async () => {
    const { user, authenticator } = await trusting();
    const elsewhere = new DeviceClient(host, user.userId);
    expect(await elsewhere.isTrusted()).toBe(false);
    await elsewhere.trust(authenticator.code(), false);
    expect(elsewhere.browser.cookies.size).toBe(0);
    host.clock.advance(30);
    const other = newUser(user.browser);
    const second = await other.enroll();
    expect(await other.isTrusted()).toBe(false);
    await other.trust(second.authenticator.code());
    expect(user.browser.cookies.size).toBe(2);
    expect([await user.isTrusted(), await other.isTrusted()]).toEqual([true, true]);
  });

  it("S113 does not take another user's cookie for this user", async () => {
    const { user } = await trusting();
    const { user: thief } = await trusting();
    const [victimName] = user.browser.cookies.keys();
    const [own] = thief.browser.cookies.values();
    user.browser.cookies.set(victimName!, own!);
    expect(await user.isTrusted()).toBe(false);
    expect(await thief.isTrusted()).toBe(true);
  });

  it('S112 gives a new secret at each use, and ends the device when an old one comes back', async () => {
    const { user } = await trusting();
    const stolen = new DeviceClient(host, user.userId, user.browser.copy());
    expect(await user.isTrusted()).toBe(true);
    expect(user.browser.header).not.toBe(stolen.browser.header);
    expect(await user.isTrusted()).toBe(true);
    expect(await stolen.isTrusted()).toBe(false);
    expect(stolen.browser.received).toEqual([]);
    expect(await user.isTrusted()).toBe(false);
    expect(eventsOf(user).at(-1)).toBe('mfa.device.reused');
    expect(eventsOf(user).filter((type) => type === 'mfa.device.reused')).toHaveLength(1);
  });

  it('S112 accepts the previous secret for 60 seconds, and sends the same next one', async () => {
    const { user } = await trusting();
    const tab = new DeviceClient(host, user.userId, user.browser.copy());
    expect(await user.isTrusted()).toBe(true);
    host.clock.advance(60);
    expect(await tab.isTrusted()).toBe(true);
    expect(tab.browser.header).toBe(user.browser.header);
    expect(await tab.isTrusted()).toBe(true);
    expect(eventsOf(user)).not.toContain('mfa.device.reused');
  });

  it('S112 ends the device without an alarm when the previous secret comes later: its response was lost', async () => {
    const { user } = await trusting();
    const before = user.browser.copy();
    expect(await user.isTrusted()).toBe(true);
    host.clock.advance(61);
    const lost = new DeviceClient(host, user.userId, before);
    expect(await lost.isTrusted()).toBe(false);
    expect(eventsOf(user)).toEqual(['mfa.device.trusted', 'mfa.device.used']);
    expect(await user.isTrusted()).toBe(false);
  });

  it('S112 raises no alarm for 20 parallel logins from one browser, and leaves a working cookie', async () => {
    const { user } = await trusting();
    const tabs = Array.from({ length: 20 }, () => new DeviceClient(host, user.userId, user.browser.copy()));
    expect(await Promise.all(tabs.map((tab) => tab.isTrusted()))).toEqual(tabs.map(() => true));
    for (const tab of tabs) for (const [name, value] of tab.browser.cookies) user.browser.cookies.set(name, value);
    expect(await user.isTrusted()).toBe(true);
    expect(eventsOf(user)).not.toContain('mfa.device.reused');
  });

  it('S111 ends trust after 30 days, and use does not extend it', async () => {
    const { user } = await trusting();
    host.clock.advance(20 * DAY);
    expect(await user.isTrusted()).toBe(true);
    const [, seconds] = /Max-Age=(\d+)/.exec(user.browser.received[0]!)!;
    expect(Number(seconds)).toBe(10 * DAY - 30);
    host.clock.advance(10 * DAY - 31);
    expect(await user.isTrusted()).toBe(true);
    host.clock.advance(1);
    expect(await user.isTrusted()).toBe(false);
  });

  const ENDS: [string, (its: Awaited<ReturnType<typeof trusting>>) => Promise<unknown>][] = [
    ['disabling', ({ user, authenticator }) => user.post('/mfa/disable', { code: authenticator.code() }).expect(200)],
    [
      'the removal of another authenticator',
      async ({ user, authenticator }) => {
        const { id } = await user.enrollAnother(authenticator.code());
        await user.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(200);
      },
    ],
    [
      'new backup codes',
      ({ user, authenticator }) =>
        user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200),
    ],
    ['a reset', ({ user }) => admin.reset(user.userId, RESET)],
    ['invalidate', ({ user }) => admin.invalidate(user.userId, BY_TEST)],
    ['passwordChanged', ({ user }) => admin.passwordChanged(user.userId, BY_TEST)],
    ['another version of the password', async ({ user }) => host.state.passwordVersions.set(user.userId, 'v2')],
    ['the removal of the password', async ({ user }) => host.state.passwordVersions.set(user.userId, null)],
    ['revokeDevices', ({ user }) => admin.revokeDevices(user.userId, BY_TEST)],
    ['purgeUser', ({ user }) => admin.purgeUser(user.userId, BY_TEST)],
    [
      'a recovery',
      async ({ user }) => {
        const { code } = await admin.issueRecoveryCode(user.userId, { actor: { userId: 'agent' } });
        const elsewhere = new DeviceClient(host, user.userId);
        const { body } = await elsewhere.logIn();
        const proof = { mfa_token: body.mfa_token as string, code, method: 'recovery_code' };
        const { mfa_token } = (await elsewhere.secondStep(proof)).body as { mfa_token: string };
        const key = newKey();
        const setup = await elsewhere.post('/mfa/passkeys/setup', { mfa_token }).expect(200);
        const passkey = key.create(setup.body.options);
        await elsewhere.post('/mfa/passkeys/confirm', { mfa_token, passkey }).expect(200);
      },
    ],
  ];

  it.each(ENDS)('S111 ends trust after %s, without a hook of the host', async (_, change) => {
    const its = await trusting();
    expect(await its.user.isTrusted()).toBe(true);
    await change(its);
    // A user without a factor signs in without one; a factor that is enrolled again is asked for.
    const { body } = await its.user.logIn();
    if (!body.mfaRequired) {
      its.user.session = host.state.signIn(its.user.userId);
      await its.user.enroll();
    }
    expect(await its.user.isTrusted()).toBe(false);
  });

  it('keeps trust where a further factor is confirmed, renamed or used, and after an unlock', async () => {
    const { user, authenticator } = await trusting();
    const { id } = await user.enrollAnother(authenticator.code());
    await user.patch(`/mfa/authenticators/${id}`, { name: 'tablet' }).expect(200);
    await user.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    await admin.unlock(user.userId, BY_TEST);
    expect(await user.isTrusted()).toBe(true);
  });

  it('S113 trusts no device after a backup code or a recovery code', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const verified = await user.trust(backupCodes[0]!);
    expect(verified.status).toBe(200);
    expect(user.browser.cookies.size).toBe(0);
    const asApp = await user.trust(backupCodes[1]!, 'token');
    expect(asApp.status).toBe(200);
    expect(host.state.completedLogins.at(-1)).not.toHaveProperty('deviceToken');
    const { code } = await admin.issueRecoveryCode(user.userId, { actor: { userId: 'agent' } });
    expect((await user.trust(code, true, { method: 'recovery_code' })).body).toMatchObject({
      enrollmentRequired: true,
    });
    expect(await host.dataSource.getRepository(MfaDeviceEntity).countBy({ userId: user.userId })).toBe(0);
  });

  it('S113 trusts no device in a login that enrolled its factor', async () => {
    PolicyHost.policyOf = () => ({ id: 'everyone', required: true });
    const user = newUser();
    const { mfa_token } = (await user.logIn()).body as { mfa_token: string };
    const setup = await user.post('/mfa/totp/setup', { mfa_token }).expect(200);
    const code = new VirtualAuthenticator(setup.body.otpauthUri as string, host.clock).code();
    const confirmed = await user.post('/mfa/totp/confirm', { mfa_token, code, rememberDevice: true }).expect(200);
    user.browser.keep(confirmed);
    expect(user.browser.cookies.size).toBe(0);
    expect(await user.isTrusted()).toBe(false);
  });

  it('S113 proves neither a step-up nor a change by the cookie', async () => {
    const { user } = await trusting();
    for (const path of ['/mfa/step-up', '/mfa/disable', '/mfa/backup-codes/regenerate', '/mfa/totp/setup']) {
      const { status } = await user.ask('post', path);
      expect([400, 401]).toContain(status);
    }
    expect((await user.ask('post', '/mfa/verify')).body.code).toBe('MFA_TOKEN_INVALID');
  });

  it('S113 obeys the policy: devices, and the method of the proof', async () => {
    const { user, authenticator } = await trusting();
    const policy = { id: 'p', required: false };
    PolicyHost.policyOf = () => ({ ...policy, trustedDevices: false });
    expect(await user.isTrusted()).toBe(false);
    const elsewhere = new DeviceClient(host, user.userId);
    await elsewhere.trust(authenticator.code());
    expect(elsewhere.browser.cookies.size).toBe(0);
    PolicyHost.policyOf = () => ({ ...policy, methods: ['passkey'] });
    expect(await user.isTrusted()).toBe(false);
    PolicyHost.policyOf = () => ({ ...policy, methods: ['totp'] });
    expect(await user.isTrusted()).toBe(true);
  });

  it('trusts an app by a token that does not change, and only as a token', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await user.trust(authenticator.code(), 'token');
    const { deviceToken } = host.state.completedLogins.at(-1)!;
    expect(deviceToken).toMatch(/^[\w-]{22}\.[\w-]{43}$/);
    expect(user.browser.received).toEqual([]);
    for (let uses = 0; uses < 3; uses += 1) {
      expect((await user.logIn({ deviceToken })).body.mfaRequired).toBeUndefined();
    }
    expect(await user.isTrusted()).toBe(false);
    const { user: browsing } = await trusting();
    const [cookie] = browsing.browser.cookies.values();
    expect((await new DeviceClient(host, browsing.userId).logIn({ deviceToken: cookie })).body.mfaRequired).toBe(true);
    const changed = `${deviceToken!.slice(0, -1)}${deviceToken!.endsWith('A') ? 'B' : 'A'}`;
    expect((await user.logIn({ deviceToken: changed })).body.mfaRequired).toBe(true);
    expect((await user.logIn({ deviceToken })).body.mfaRequired).toBe(true);
    expect(eventsOf(user).at(-1)).toBe('mfa.device.reused');
  });

  it('lists the devices with the current one, and revokes one of them', async () => {
    const { user, authenticator } = await trusting();
    const elsewhere = new DeviceClient(host, user.userId);
    await elsewhere.trust(authenticator.code());
    const { body } = await user.ask('get', '/mfa/devices');
    expect(body.devices).toEqual([
      expect.objectContaining({ current: false, method: 'totp' }),
      {
        id: expect.any(String) as string,
        label: expect.any(String) as string,
        method: 'totp',
        createdAt: expect.any(String) as string,
        lastUsedAt: expect.any(String) as string,
        expiresAt: expect.any(String) as string,
        current: true,
      },
    ]);
    const [other, own] = body.devices as { id: string }[];
    const stranger = (await trusting()).user;
    expect((await stranger.ask('post', `/mfa/devices/${own!.id}/revoke`)).body).toMatchObject({
      statusCode: 404,
      code: 'MFA_DEVICE_NOT_FOUND',
    });
    const left = await user.ask('post', `/mfa/devices/${other!.id}/revoke`);
    expect(left.body.devices).toEqual([expect.objectContaining({ id: own!.id, current: true })]);
    expect(await elsewhere.isTrusted()).toBe(false);
    expect(elsewhere.browser.received).toEqual([]);
    expect(await user.isTrusted()).toBe(true);
    expect((await user.ask('post', `/mfa/devices/${own!.id}/revoke`)).body).toEqual({ devices: [] });
    expect(user.browser.cookies.size).toBe(0);
    expect(eventsOf(user).filter((type) => type === 'mfa.device.revoked')).toHaveLength(2);
    expect((await user.ask('post', `/mfa/devices/${own!.id}/revoke`)).status).toBe(404);
  });

  it('S110 stores hashes: no dump of the table contains what a browser sends', async () => {
    const { user } = await trusting();
    const [cookie] = user.browser.cookies.values();
    const [lookupId, secret] = cookie!.split('.');
    const dump = JSON.stringify(await dumpTables(host));
    expect(dump).not.toContain(lookupId);
    expect(dump).not.toContain(secret);
    expect(dump).not.toContain('"v1"');
  });

  it('replaces the device of the same browser, and the least recently used one beyond the limit', async () => {
    const few = await startHostApp({ database, ...SETUP, options: { ...SETUP.options, trustedDevices: { max: 2 } } });
    try {
      const user = new DeviceClient(few, 'ann');
      const { authenticator } = await user.enroll();
      const devices = few.app.get(MfaDeviceService, { strict: false });
      const trustFrom = async (client: DeviceClient) => {
        few.clock.advance(30);
        const { body } = await new DeviceClient(few, 'ann').logIn();
        const sent = { mfa_token: body.mfa_token as string, code: authenticator.code(), rememberDevice: true };
        expect((await client.secondStep(sent)).status).toBe(200);
      };
      await trustFrom(user);
      await trustFrom(user);
      expect(await devices.list('ann')).toHaveLength(1);
      const [second, third] = [new DeviceClient(few, 'ann'), new DeviceClient(few, 'ann')];
      await trustFrom(second);
      few.clock.advance(1);
      expect(await user.isTrusted()).toBe(true);
      await trustFrom(third);
      expect(await devices.list('ann')).toHaveLength(2);
      expect([await user.isTrusted(), await second.isTrusted(), await third.isTrusted()]).toEqual([true, false, true]);
    } finally {
      await few.close();
    }
  });

  it('S71 leaves no trusted device where the host refuses the login', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    host.state.blocked.add(user.userId);
    expect((await user.trust(authenticator.code())).status).toBe(401);
    host.state.blocked.delete(user.userId);
    expect(user.browser.cookies.size).toBe(0);
    expect(await host.dataSource.getRepository(MfaDeviceEntity).countBy({ userId: user.userId })).toBe(0);
    expect(eventsOf(user)).toEqual([]);
  });

  it('exports the devices of a user, and removes expired ones in the cleanup', async () => {
    const { user } = await trusting();
    const { devices } = await admin.exportUser(user.userId);
    expect(devices).toEqual([expect.objectContaining({ kind: 'cookie', method: 'totp' })]);
    expect(JSON.stringify(devices)).not.toMatch(/hash|secret|credential/i);
    host.clock.advance(31 * DAY);
    expect((await host.app.get(MfaCleanupService, { strict: false }).purge()).devices).toBeGreaterThan(0);
    expect((await admin.exportUser(user.userId)).devices).toEqual([]);
  });

  it('S111 lists no device of an older security stamp', async () => {
    const { user } = await trusting();
    expect((await user.ask('get', '/mfa/devices')).body.devices).toHaveLength(1);
    await admin.invalidate(user.userId, BY_TEST);
    expect((await user.ask('get', '/mfa/devices')).body).toEqual({ devices: [] });
  });
});

describe('the option trustedDevices', () => {
  it('is off by default: the routes are unknown, and rememberDevice has no effect', async () => {
    const host = await startHostApp({ options: { backupCodes: { count: 4 } } });
    try {
      const user = new DeviceClient(host, 'ann');
      const { authenticator } = await user.enroll();
      expect((await user.trust(authenticator.code())).status).toBe(200);
      expect(user.browser.cookies.size).toBe(0);
      expect((await user.ask('get', '/mfa/devices')).body).toMatchObject({
        statusCode: 404,
        message: 'Cannot GET /mfa/devices',
      });
    } finally {
      await host.close();
    }
  });

  it('refuses another value of rememberDevice before anything is spent', async () => {
    const host = await startHostApp({ options: DEVICES });
    try {
      const user = new DeviceClient(host, 'ann');
      const { authenticator } = await user.enroll();
      const { body } = await user.logIn();
      const proof = { mfa_token: body.mfa_token as string, code: authenticator.code() };
      for (const rememberDevice of ['yes', 1, {}, []]) {
        expect((await user.secondStep({ ...proof, rememberDevice })).status).toBe(400);
      }
      expect((await user.secondStep({ ...proof, rememberDevice: null })).status).toBe(200);
    } finally {
      await host.close();
    }
  });

  it('requires credentialVersion in every login', async () => {
    const host = await startHostApp({ options: DEVICES });
    try {
      for (const version of [undefined, '', 7] as never[]) {
        host.state.passwordVersions.set('ann', version);
        await new DeviceClient(host, 'ann').loginAnswer().expect(500);
      }
      host.state.passwordVersions.set('ann', null);
      await new DeviceClient(host, 'ann').loginAnswer().expect(201);
    } finally {
      await host.close();
    }
  });
});
