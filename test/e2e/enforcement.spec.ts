import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import { MfaStatusService } from 'nestjs-mfa';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';

const DAY = 24 * 60 * 60;

describe.each(testDatabases)('a policy on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new EnrollingClient(host, `user-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  it('S100 leads a login without a factor through the enrollment of an authenticator app to a session', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const login = await user.mustEnroll();
    expect(login).toEqual({
      mfaRequired: true,
      enrollmentRequired: true,
      mfa_token: expect.any(String) as string,
      methods: [],
      enrollmentMethods: ['totp', 'passkey'],
      expiresIn: 900,
    });
    const { authenticator, confirmed } = await user.enrollTotpBy(login.mfa_token);
    expect(confirmed.status).toBe(200);
    expect(confirmed.body).toEqual({
      enabled: true,
      backupCodes: expect.objectContaining({ length: 4 }) as string[],
      login: { accessToken: expect.any(String) as string },
    });
    expect(host.state.completedLogins.at(-1)).toMatchObject({
      userId: user.userId,
      factor: 'totp',
      amr: ['otp', 'mfa'],
    });
    const session = new EnrollingClient(host, user.userId, confirmed.body.login.accessToken);
    await session.get('/payouts').expect(200);
    host.clock.advance(30);
    await user.verify(await user.login(), authenticator.code()).expect(200);
  });

  it('S100 leads through the enrollment of a passkey to a session', async () => {
    PolicyHost.policyOf = () => ({ ...REQUIRED, methods: ['passkey'] });
    const user = newUser();
    const { mfa_token, enrollmentMethods } = await user.mustEnroll();
    expect(enrollmentMethods).toEqual(['passkey']);
    const refused = await user.send('/mfa/totp/setup', { mfa_token }).expect(403);
    expect(refused.body).toMatchObject({ code: 'MFA_ENROLLMENT_REQUIRED', methods: ['passkey'] });
    const key = newKey();
    const confirmed = await user.enrollPasskeyBy(mfa_token, key);
    expect(confirmed.body).toMatchObject({ enabled: true, login: { accessToken: expect.any(String) as string } });
    expect((await user.signInByPasskey(key)).status).toBe(200);
  });

  it('S101 counts the grace time from the first login, and returns when it ends', async () => {
    PolicyHost.policyOf = () => ({ ...REQUIRED, graceSeconds: 7 * DAY });
    const user = newUser();
    const dueAt = new Date(host.clock.nowMs() + 7 * DAY * 1000).toISOString();
    for (const later of [0, DAY, 5 * DAY]) {
      host.clock.advance(later);
      const { body } = await user.loginAnswer().expect(201);
      expect(body.enrollmentDueAt).toBe(dueAt);
    }
    const status = await user.get('/mfa/status').expect(200);
    expect(status.body.enrollmentDueAt).toBe(dueAt);
    PolicyHost.policyOf = () => ({ ...REQUIRED, graceSeconds: 2 * DAY });
    await user.mustEnroll();
    PolicyHost.policyOf = () => ({ ...REQUIRED, graceSeconds: 7 * DAY });
    host.clock.advance(DAY);
    await user.mustEnroll();
  });

  it('S100 opens nothing else with the token of an enrollment', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const described = await request(user.server).get('/mfa/challenge').set('x-mfa-token', mfa_token).expect(200);
    expect(described.body).toEqual({
      mfaRequired: true,
      enrollmentRequired: true,
      methods: [],
      enrollmentMethods: ['totp', 'passkey'],
      expiresIn: 900,
    });
    for (const [path, body] of [
      ['/mfa/verify', { code: '123456' }],
      ['/mfa/passkeys/options', {}],
    ] as const) {
      expect((await user.send(path, { mfa_token, ...body }).expect(401)).body.code).toBe('MFA_TOKEN_INVALID');
    }
    for (const path of ['/mfa/disable', '/mfa/backup-codes/regenerate', '/mfa/step-up']) {
      expect((await user.send(path, { mfa_token, code: '123456' }).expect(401)).body.code).toBe(
        'MFA_NOT_AUTHENTICATED',
      );
    }
    await request(user.server).get('/payouts').set('Authorization', `Bearer ${mfa_token}`).expect(401);
  });

  it('S102 refuses to remove or to disable the last allowed factor', async () => {
    const user = newUser();
    const { authenticator, id } = await user.enroll();
    PolicyHost.policyOf = () => REQUIRED;
    for (const path of ['/mfa/disable', `/mfa/authenticators/${id}/remove`]) {
      const refused = await user.post(path, { code: authenticator.code() }).expect(403);
      expect(refused.body.code).toBe('MFA_REQUIRED_BY_POLICY');
    }
    PolicyHost.policyOf = () => null;
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
  });

  it('S102 lets a user with only a disallowed factor prove it, and enroll an allowed one', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    PolicyHost.policyOf = () => ({ ...REQUIRED, methods: ['passkey'] });
    const verified = await user.verify(await user.login(), authenticator.code()).expect(200);
    expect(verified.body).toMatchObject({ enrollmentRequired: true, enrollmentMethods: ['passkey'] });
    const key = newKey();
    const confirmed = await user.enrollPasskeyBy(verified.body.mfa_token, key);
    expect(confirmed.body.login).toEqual({ accessToken: expect.any(String) as string });
    const login = await user.loginAnswer();
    expect(login.body.methods).toEqual(['passkey', 'backup_code']);
    host.clock.advance(30);
    await user.verify(login.body.mfa_token, authenticator.code()).expect(401);
    expect((await user.signInByPasskey(key)).status).toBe(200);
  });

  it('S103 denies where the policy throws, returns undefined or cannot be read', async () => {
    const user = newUser();
    for (const policy of [
      () => {
        throw new Error('no directory');
      },
      () => undefined as never,
    ]) {
      PolicyHost.policyOf = policy;
      expect((await user.loginAnswer().expect(503)).body.code).toBe('MFA_BUSY');
    }
    PolicyHost.policyOf = () => ({ id: 'x', required: 'yes' }) as never;
    expect((await user.loginAnswer().expect(500)).body.code).toBe('MFA_MISCONFIGURED');
  });

  it('S100 asks the host before the first setup, and refuses a password alone', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    PolicyHost.authorizes = () => false;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    for (const path of ['/mfa/totp/setup', '/mfa/passkeys/setup']) {
      expect((await user.send(path, { mfa_token }).expect(401)).body).toMatchObject({
        code: 'MFA_PROOF_REQUIRED',
        proof: ['recovery_code'],
      });
    }
    PolicyHost.authorizes = () => true;
    PolicyHost.asked = [];
    await user.send('/mfa/totp/setup', { mfa_token }).expect(200);
    PolicyHost.authorizes = () => false;
    await user.send('/mfa/totp/setup', { mfa_token }).expect(200);
    await user.send('/mfa/passkeys/setup', { mfa_token }).expect(200);
    expect(PolicyHost.asked).toEqual([[user.userId, 'policy']]);
  });

  it('lists the users who must enroll soon, page by page, without those who have a factor', async () => {
    const statuses = host.app.get(MfaStatusService, { strict: false });
    PolicyHost.policyOf = () => ({ id: 'listed', required: true, graceSeconds: 7 * DAY });
    const [ann, bob, cid, dora] = [newUser(), newUser(), newUser(), newUser()];
    const dueAt = new Date(host.clock.nowMs() + 7 * DAY * 1000);
    for (const user of [ann, bob, cid]) await user.loginAnswer().expect(201);
    await bob.enroll();
    host.clock.advance(DAY);
    await dora.loginAnswer().expect(201);
    const query = { policyId: 'listed', graceSeconds: 7 * DAY, limit: 1 };
    expect(await statuses.listDue({ ...query, withinSeconds: 5 * DAY })).toEqual({ users: [], next: null });
    const first = await statuses.listDue({ ...query, withinSeconds: 6 * DAY });
    const second = await statuses.listDue({ ...query, withinSeconds: 6 * DAY, after: first.next });
    expect([first, second].flatMap(({ users }) => users)).toEqual(
      [ann.userId, cid.userId].sort().map((userId) => ({ userId, dueAt })),
    );
    expect(second.next).toBeNull();
    await expect(statuses.listDue({ ...query, withinSeconds: -1 })).rejects.toThrow(TypeError);
    await expect(statuses.listDue({ ...query, withinSeconds: 1, after: 'x' })).rejects.toThrow(TypeError);
  });
});
