import { MfaAdminService, MfaHost } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DemoClient, PASSWORD } from '../../../test/support/demo-client.js';
import { User } from './accounts/user.entity.js';
import { issueRecoveryCode } from './recovery-code.js';

const DAY = 24 * 60 * 60;
const AGENT = { actor: { userId: 'agent-7' }, reason: 'lost phone' };
const ENROLLMENT = {
  mfaRequired: true,
  enrollmentRequired: true,
  mfa_token: expect.any(String) as string,
  methods: [],
  enrollmentMethods: ['totp', 'passkey'],
  expiresIn: 900,
};

describe.each(['express', 'fastify'] as const)('roles and recovery in the demo on %s', (httpAdapter) => {
  let demo: DemoClient;
  let email: string;
  let count = 0;

  const register = (role?: unknown) =>
    demo.post('/auth/register', { email, password: PASSWORD, ...(role !== undefined && { role }) });
  const login = () => demo.post('/auth/login', { email, password: PASSWORD });
  const userId = async () => (await demo.app.get(DataSource).getRepository(User).findOneByOrFail({ email })).id;
  const admin = () => demo.app.get(MfaAdminService, { strict: false });
  const issue = async () => admin().issueRecoveryCode(await userId(), AGENT);
  const recover = async (code: string) => {
    const { mfa_token } = (await login().expect(200)).body;
    return demo.post('/mfa/verify', { mfa_token, code, method: 'recovery_code' });
  };

  /** Enrolls an authenticator app within a login, whose response is `body`. */
  async function enroll({ mfa_token }: { mfa_token: string }, proof: object = {}) {
    const setup = await demo.post('/mfa/totp/setup', { mfa_token, ...proof }).expect(200);
    expect(decodeURIComponent(setup.body.otpauthUri)).toContain(email);
    const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, demo.clock);
    const confirmed = await demo.post('/mfa/totp/confirm', { mfa_token, code: authenticator.code() });
    demo.clock.advance(30);
    return { authenticator, confirmed };
  }

  beforeAll(async () => {
    demo = await DemoClient.start(httpAdapter);
  });
  afterAll(() => demo?.stop());
  beforeEach(() => {
    email = `grace${++count}@example.com`;
  });

  it.each([[undefined], ['member']])('registers without a second factor for the role %s', async (role) => {
    const { accessToken } = (await register(role).expect(200)).body;
    expect((await demo.get('/auth/me', accessToken).expect(200)).body.role).toBe('member');
    expect((await login().expect(200)).body).toEqual({ accessToken: expect.any(String) as string });
    expect((await demo.get('/mfa/status', accessToken).expect(200)).body).not.toHaveProperty('enrollmentDueAt');
  });

  it.each([
    ['admin', 'admin'],
    ['an empty text', ''],
    ['another case', 'STAFF'],
    ['a space', 'staff '],
    ['null', null],
    ['a number', 1],
    ['a boolean', true],
    ['a list', ['staff']],
    ['an object', { role: 'staff' }],
    ['the name of a method', 'constructor'],
  ])('S67 refuses %s as a role with 400, and makes no account', async (_, role) => {
    expect((await register(role).expect(400)).body.message).toEqual(['role must be one of: member, manager, staff']);
    await login().expect(401);
  });

  it('S100 opens no session for staff without a second factor, neither at the registration nor at a login', async () => {
    const registered = await register('staff').expect(200);
    const first = await login().expect(200);
    for (const { body, headers } of [registered, first]) {
      expect(body).toEqual(ENROLLMENT);
      expect(headers['set-cookie']).toBeUndefined();
      expect(headers['cache-control']).toBe('no-store');
      await demo.get('/auth/me', body.mfa_token).expect(401);
    }
    const { authenticator, confirmed } = await enroll(first.body);
    expect(confirmed.body).toEqual({
      enabled: true,
      backupCodes: expect.objectContaining({ length: 10 }) as string[],
      login: { accessToken: expect.any(String) as string },
    });
    const { accessToken } = confirmed.body.login;
    expect(confirmed.headers['set-cookie']![0]).toContain(`demo_session=${accessToken};`);
    expect((await demo.get('/auth/me', accessToken).expect(200)).body.amr).toEqual(['pwd', 'otp', 'mfa']);
    await demo.get('/vault', accessToken).expect(200);
    await demo.post('/mfa/totp/setup', { mfa_token: registered.body.mfa_token }).expect(401, /MFA_TOKEN_INVALID/);
    const { mfa_token, methods } = (await login().expect(200)).body;
    expect(methods).toEqual(['totp', 'backup_code']);
    await demo.post('/mfa/verify', { mfa_token, code: authenticator.code() }).expect(200);
  });

  it('S101 gives managers seven days from the registration, and shows when they end', async () => {
    const dueAt = new Date(demo.clock.nowMs() + 7 * DAY * 1000).toISOString();
    let { accessToken } = (await register('manager').expect(200)).body;
    for (const days of [0, 3, 3]) {
      demo.clock.advance(days * DAY);
      ({ accessToken } = (await login().expect(200)).body);
      expect((await demo.get('/mfa/status', accessToken).expect(200)).body.enrollmentDueAt).toBe(dueAt);
    }
    demo.clock.advance(DAY);
    const { body } = await login().expect(200);
    expect(body).toEqual(ENROLLMENT);
    const { confirmed } = await enroll(body);
    const status = await demo.get('/mfa/status', confirmed.body.login.accessToken).expect(200);
    expect(status.body).not.toHaveProperty('enrollmentDueAt');
  });

  it('S102 keeps the last factor of staff, and lets members remove theirs', async () => {
    const { authenticator, confirmed } = await enroll((await register('staff').expect(200)).body);
    const { accessToken } = confirmed.body.login;
    const [{ id }] = (await demo.get('/mfa/status', accessToken).expect(200)).body.authenticators;
    for (const path of ['/mfa/disable', `/mfa/authenticators/${id}/remove`]) {
      await demo.post(path, { code: authenticator.code() }, accessToken).expect(403, /MFA_REQUIRED_BY_POLICY/);
      demo.clock.advance(30);
    }
    email = `member-of-${email}`;
    const member = (await register().expect(200)).body.accessToken;
    const own = await demo.enroll(member);
    await demo.post('/mfa/disable', { code: own.authenticator.code() }, member).expect(200);
  });

  it('S104 replaces the factors by a recovery code, and ends every older session', async () => {
    const elsewhere = (await register().expect(200)).body.accessToken;
    const { authenticator } = await demo.enroll(elsewhere);
    const { code: recoveryCode } = await issue();
    expect((await recover('AAAA-AAAA-AAAA-AAAA')).status).toBe(401);
    const recovered = await recover(recoveryCode);
    expect(recovered.body).toEqual(ENROLLMENT);
    await demo.get('/auth/me', elsewhere).expect(200);
    const mfa_token = recovered.body.mfa_token;
    const setup = await demo.post('/mfa/totp/setup', { mfa_token }).expect(200);
    const code = new VirtualAuthenticator(setup.body.otpauthUri, demo.clock).code();
    // A session that the browser still has belongs to the factors of before.
    const confirmed = await demo.post('/mfa/totp/confirm', { mfa_token, code }, elsewhere).expect(200);
    await demo.get('/auth/me', elsewhere).expect(401);
    await demo.get('/vault', confirmed.body.login.accessToken).expect(200);
    demo.clock.advance(30);
    const next = (await login().expect(200)).body;
    await demo.post('/mfa/verify', { mfa_token: next.mfa_token, code: authenticator.code() }).expect(401);
  });

  it('S102 requires a recovery code after a reset, because the password alone is not enough', async () => {
    await demo.enroll((await register().expect(200)).body.accessToken);
    await admin().reset(await userId(), AGENT);
    const { body } = await login().expect(200);
    expect(body).toEqual(ENROLLMENT);
    for (const path of ['/mfa/totp/setup', '/mfa/passkeys/setup']) {
      const refused = await demo.post(path, { mfa_token: body.mfa_token }).expect(401);
      expect(refused.body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['recovery_code'] });
    }
    const { code } = await issue();
    const { confirmed } = await enroll(body, { code, method: 'recovery_code' });
    await demo.get('/vault', confirmed.body.login.accessToken).expect(200);
  });

  it('S71 signs nobody in whose account was deleted within the enrollment', async () => {
    const { mfa_token } = (await register('staff').expect(200)).body;
    const setup = await demo.post('/mfa/totp/setup', { mfa_token }).expect(200);
    const code = new VirtualAuthenticator(setup.body.otpauthUri, demo.clock).code();
    const id = await userId();
    await demo.app.get(DataSource).getRepository(User).delete({ id });
    const refused = await demo.post('/mfa/totp/confirm', { mfa_token, code }).expect(401);
    expect(refused.headers['set-cookie']).toBeUndefined();
    expect(await demo.app.get(MfaHost, { strict: false }).policy!(id)).toBeNull();
  });

  it('describes the role in the API description, and does not require it', async () => {
    const { body } = await demo.get('/docs-json').expect(200);
    const { required, properties } = body.components.schemas.RegisterDto;
    expect(required).toEqual(['email', 'password']);
    expect(properties.role).toMatchObject({ enum: ['member', 'manager', 'staff'], default: 'member' });
    for (const path of ['/auth/register', '/auth/login']) {
      expect(body.paths[path].post.responses['200'].description).toContain('enrollmentRequired');
    }
  });
});

it('S104 issues a recovery code by the command, while the demo runs, and none for an unknown address', async () => {
  const demo = await DemoClient.start('express');
  try {
    const credentials = { email: 'ada@example.com', password: PASSWORD };
    const { accessToken } = (await demo.post('/auth/register', credentials).expect(200)).body;
    await demo.enroll(accessToken);
    const issued = await issueRecoveryCode(demo.config, ' ADA@example.com');
    const { mfa_token } = (await demo.post('/auth/login', credentials).expect(200)).body;
    const proof = { code: issued!.code, method: 'recovery_code' };
    const verified = await demo.post('/mfa/verify', { mfa_token, ...proof }).expect(200);
    expect(verified.body).toEqual(ENROLLMENT);
    expect(await issueRecoveryCode(demo.config, 'bob@example.com')).toBeNull();
  } finally {
    await demo.stop();
  }
});
