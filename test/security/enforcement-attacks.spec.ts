import { BY_TEST } from '../support/reset.js';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, MfaEnrollmentService, MfaPasskeyService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { dumpTables, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { newUser as userOf, POLICIES, PolicyHost, REQUIRED, type EnrollingClient } from '../support/policy-host.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };

describe('attacks on an enrollment within a login', () => {
  let host: HostApp;
  let admin: MfaAdminService;
  let users = 0;
  const newUser = () => userOf(host, `user-${(users += 1)}`);
  const context = () => new ExecutionContextHost([{ headers: {} }, {}]) as ExecutionContext;
  const recover = (user: EnrollingClient, mfa_token: string, code: string) =>
    user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });

  beforeAll(async () => {
    host = await startHostApp(POLICIES);
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    PolicyHost.restore();
  });
  afterAll(() => host.close());

  it('S104 ends an earlier recovery code with a reset', async () => {
    const user = newUser();
    await user.enroll();
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    await admin.reset(user.userId, AGENT);
    PolicyHost.authorizes = () => false;
    const { mfa_token } = await user.mustEnroll();
    const refused = await user.send('/mfa/totp/setup', { mfa_token, code, method: 'recovery_code' }).expect(401);
    expect(refused.body.code).toBe('MFA_CODE_REJECTED');
  });

  it('S104 keeps a recovery code whose login fails after it was spent only for want of a sighting', async () => {
    const user = newUser();
    await user.enroll();
    PolicyHost.policyOf = () => ({ ...REQUIRED, methods: ['passkey'] });
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    const token = await user.login();
    vi.spyOn(host.app.get(MfaPolicySeenStore, { strict: false }), 'firstSeen').mockRejectedValue(new Error('down'));
    const verified = await recover(user, token, code);
    expect(verified.status).toBe(200);
  });

  it('S104 gives a new recovery code a new budget', async () => {
    const user = newUser();
    await user.enroll();
    await admin.issueRecoveryCode(user.userId, AGENT);
    const wrong = 'AAAA-AAAA-AAAA-AAAA';
    for (let guess = 0; guess < 5; guess += 1) await recover(user, await user.login(), wrong).expect(401);
    await recover(user, await user.login(), wrong).expect(429);
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    await recover(user, await user.login(), code).expect(200);
  });

  it('writes no row for a user who was purged meanwhile', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    await admin.purgeUser(user.userId, BY_TEST);
    await user.send('/mfa/totp/setup', { mfa_token }).expect(401);
    await user.send('/mfa/passkeys/setup', { mfa_token }).expect(401);
    expect(JSON.stringify(await dumpTables(host))).not.toContain(`"${user.userId}"`);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['true', true],
    ['an array', ['token']],
    ['a function', () => 'token'],
    ['a principal', { userId: 'victim', accountName: 'victim', authenticatedAt: new Date().toISOString() }],
  ])('S48 S67 refuses with 401 an enrollment token of an own controller that is %s', async (_, given) => {
    const token = { mfa_token: given as string };
    const enrollment = host.app.get(MfaEnrollmentService);
    const passkeys = host.app.get(MfaPasskeyService);
    const refused = { status: 401 };
    await expect(enrollment.setup(token, {}, context())).rejects.toMatchObject(refused);
    await expect(enrollment.confirm(token, '123456', context())).rejects.toMatchObject(refused);
    await expect(enrollment.cancelSetup(token, context())).rejects.toMatchObject(refused);
    await expect(passkeys.setup(token, {}, context())).rejects.toMatchObject(refused);
    await expect(passkeys.confirm(token, { passkey: {} as never }, context())).rejects.toMatchObject(refused);
  });

  it('S66 refuses every recovery code that is not right with the same bytes', async () => {
    const user = newUser();
    const other = newUser();
    await user.enroll();
    await other.enroll();
    const none = await recover(user, await user.login(), 'AAAA-AAAA-AAAA-AAAA');
    const ofOther = (await admin.issueRecoveryCode(other.userId, AGENT)).code;
    const wrong = await recover(user, await user.login(), ofOther);
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    await recover(user, await user.login(), code).expect(200);
    const used = await recover(user, await user.login(), code);
    const malformed = await recover(user, await user.login(), '123456');
    expect([none, wrong, used, malformed].map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    expect(new Set([none, wrong, used, malformed].map(({ text }) => text)).size).toBe(1);
  });

  it('S100 keeps the setups of a token, of another token and of a session apart', async () => {
    const user = newUser();
    PolicyHost.policyOf = () => REQUIRED;
    const first = await user.mustEnroll();
    const second = await user.mustEnroll();
    const app = await user.setupTotpBy(first.mfa_token);
    const notFound = async (response: PromiseLike<{ status: number; body: { code: string } }>) =>
      expect((await response).body.code).toBe('MFA_SETUP_NOT_FOUND');
    await notFound(user.send('/mfa/totp/confirm', { mfa_token: second.mfa_token, code: app.code() }));
    await notFound(user.send('/mfa/setup/cancel', { mfa_token: second.mfa_token }));
    await notFound(user.post('/mfa/totp/confirm', { code: app.code() }));
    await notFound(user.post('/mfa/setup/cancel'));
    const key = newKey();
    const setup = await user.send('/mfa/passkeys/setup', { mfa_token: first.mfa_token }).expect(200);
    const passkey = key.create(setup.body.options);
    await user.post('/mfa/passkeys/confirm', { passkey }).expect(401);
    await user.send('/mfa/passkeys/confirm', { mfa_token: second.mfa_token, passkey }).expect(401);
    const inSession = await user.setupPasskey().expect(200);
    const ofSession = newKey().create(inSession.body.options);
    await user.send('/mfa/passkeys/confirm', { mfa_token: first.mfa_token, passkey: ofSession }).expect(401);
    await user.send('/mfa/passkeys/confirm', { mfa_token: first.mfa_token, passkey }).expect(200);
    // Any factor ends the other token.
    expect((await user.send('/mfa/totp/setup', { mfa_token: second.mfa_token })).body.code).toBe('MFA_TOKEN_INVALID');
    expect((await user.send('/mfa/totp/setup', { mfa_token: first.mfa_token })).body.code).toBe('MFA_TOKEN_INVALID');
  });

  it('S100 takes the user from the token, also in a session of somebody else', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const [ann, bob] = [newUser(), newUser()];
    const { mfa_token } = await ann.mustEnroll();
    const setup = await bob.post('/mfa/totp/setup', { mfa_token }).expect(200);
    const code = new VirtualAuthenticator(setup.body.otpauthUri, host.clock).code();
    await bob.post('/mfa/totp/confirm', { code }).expect(404);
    await bob.post('/mfa/totp/confirm', { mfa_token, code }).expect(200);
    expect((await bob.get('/mfa/status')).body.enabled).toBe(false);
    expect((await ann.get('/mfa/status')).body.enabled).toBe(true);
  });

  it('S100 ends the token of an enrollment when the policy no longer requires it, or another one does', async () => {
    const user = newUser();
    PolicyHost.policyOf = () => REQUIRED;
    const { mfa_token } = await user.mustEnroll();
    const app = await user.setupTotpBy(mfa_token);
    for (const policy of [null, { ...REQUIRED, required: false }, { ...REQUIRED, id: 'other' }]) {
      PolicyHost.policyOf = () => policy;
      await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(401);
    }
    PolicyHost.policyOf = () => ({ ...REQUIRED, methods: ['passkey'] });
    await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(403);
    PolicyHost.policyOf = () => REQUIRED;
    await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(200);
  });

  it('S102 leads the owner of a session that a reset left open to an authorized enrollment', async () => {
    const user = newUser();
    await user.enroll();
    const { session } = user;
    await admin.reset(user.userId, AGENT);
    user.session = session;
    PolicyHost.authorizes = () => false;
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD });
    expect(setup.status).toBe(403);
    expect((await user.mustEnroll()).enrollmentRequired).toBe(true);
  });
});
