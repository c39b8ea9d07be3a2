import { Injectable } from '@nestjs/common';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  MfaChallengeService,
  MfaEnrollmentService,
  MfaFactor,
  MfaVerificationService,
  type MfaFactorProof,
  type MfaFactorUser,
  type MfaIssueOptions,
} from 'nestjs-mfa';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';

/** A code by e-mail, as an application has it: the module only knows its name. */
@Injectable()
class MailboxFactor extends MfaFactor {
  readonly method = 'mailbox'; // `email` is reserved for the module
  readonly budget = 'other';

  match({ code }: MfaFactorProof, { ids }: MfaFactorUser) {
    return { id: ids[0]!, amr: ['otp'], spend: { item: code, expiresAt: null } };
  }

  describe(_userId: string, ids: readonly string[]) {
    return ids.map((id) => ({ id, name: 'Mailbox', createdAt: new Date(0), lastUsedAt: null }));
  }

  forget() {}
}

describe('the login paths of a user whom a policy requires', () => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new EnrollingClient(host, `user-${(users += 1)}`);
  const service = <T>(token: abstract new (...given: never[]) => T): T => host.app.get(token, { strict: false });

  /** The first factor of a login that calls `issue()` with these options. */
  async function firstFactor({ userId }: EnrollingClient, options: MfaIssueOptions = {}) {
    const result = await service(MfaChallengeService).issue(userId, { accountName: 'x', ...options });
    if (!result.mfaRequired) throw new Error('the login opened a session');
    return result;
  }

  beforeAll(async () => {
    const options = { ...POLICIES.options, factors: [MailboxFactor] };
    host = await startHostApp({ ...POLICIES, options });
  });
  afterEach(() => {
    PolicyHost.restore();
    vi.restoreAllMocks();
  });
  afterAll(() => host.close());

  describe('with the token in the cookie, next to the session of another user', () => {
    async function browserOf(owner: EnrollingClient) {
      PolicyHost.policyOf = () => REQUIRED;
      const other = newUser();
      const { mfa_token } = await firstFactor(owner);
      const send = (path: string, body: object) => other.post(path, body).set('Cookie', `mfa_token=${mfa_token}`);
      return { other, send };
    }

    it('S100 the session decides, so the setup requires the proof of the other user', async () => {
      const { other, send } = await browserOf(newUser());
      const refused = await send('/mfa/totp/setup', {}).expect(401);
      expect(refused.body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['password'] });
      await send('/mfa/setup/cancel', {}).expect(404);
      expect((await other.get('/mfa/status')).body.pendingSetup).toBe(false);
    });

    it('S100 `purpose: verify` chooses the cookie, and leaves the other user alone', async () => {
      const owner = newUser();
      const { other, send } = await browserOf(owner);
      const purpose = 'verify';
      await send('/mfa/totp/setup', { purpose }).expect(200);
      await send('/mfa/setup/cancel', { purpose }).expect(200, { pendingSetup: false });
      const [setup, key] = [await send('/mfa/passkeys/setup', { purpose }).expect(200), newKey()];
      const passkey = key.create(setup.body.options);
      const confirmed = await send('/mfa/passkeys/confirm', { purpose, passkey }).expect(200);
      expect(confirmed.body.login).toEqual({ accessToken: expect.stringContaining(owner.userId) as string });
      expect(confirmed.headers['set-cookie']).toEqual([expect.stringMatching(/^mfa_token=; Max-Age=0; Path=\/mfa;/)]);
      expect((await other.get('/mfa/status')).body).toMatchObject({ enabled: false, pendingSetup: false });
      expect((await owner.get('/mfa/status')).body.methods).toEqual(['passkey', 'backup_code']);
    });

    it('S100 `purpose: verify` without a token never falls back to the session', async () => {
      const other = newUser();
      for (const path of ['/mfa/totp/setup', '/mfa/totp/confirm', '/mfa/setup/cancel', '/mfa/passkeys/setup']) {
        const refused = await other.post(path, { purpose: 'verify', password: 'x', code: '123456' }).expect(401);
        expect(refused.body.code).toBe('MFA_TOKEN_INVALID');
      }
    });
  });

  it('S100 the first factor of an e-mail login is neither offered, accepted nor enrollable as the second', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const match = vi.spyOn(service(MailboxFactor), 'match');
    const byEmail = () => firstFactor(user, { amr: ['email'], firstFactor: 'mailbox' });
    const activate = (token: string) =>
      service(MfaEnrollmentService).activate(
        { mfa_token: token },
        { type: 'mailbox', id: user.userId, name: 'Mailbox' },
        {},
        RPC,
      );
    const prove = (mfa_token: string, code: string, method?: string) =>
      user.send('/mfa/verify', { mfa_token, code, method });

    const link = await byEmail();
    expect(link).toMatchObject({ enrollmentRequired: true, enrollmentMethods: ['totp', 'passkey'] });
    const refusal = { response: { code: 'MFA_ENROLLMENT_REQUIRED', methods: ['totp', 'passkey'] } };
    await expect(activate(link.mfa_token)).rejects.toMatchObject(refusal);
    const { mfa_token, ...password } = await firstFactor(user);
    expect(password).toMatchObject({ enrollmentMethods: ['totp', 'passkey', 'mailbox'] });
    const { backupCodes } = await activate(mfa_token);

    // The mailbox is the only second factor, so a login by a link is left with backup codes, and then must enroll.
    const alone = await byEmail();
    expect(alone.methods).toEqual(['backup_code']);
    await prove(alone.mfa_token, '111111', 'mailbox').expect(401, /MFA_CODE_REJECTED/);
    const proved = await prove(alone.mfa_token, backupCodes![0]!).expect(200);
    expect(proved.body).toMatchObject({ enrollmentRequired: true, enrollmentMethods: ['totp', 'passkey'] });
    await expect(activate(proved.body.mfa_token)).rejects.toMatchObject(refusal);
    const { authenticator, confirmed } = await user.enrollTotpBy(proved.body.mfa_token);
    expect(confirmed.body.login).toEqual({ accessToken: expect.any(String) as string });

    const both = await byEmail();
    expect(both.methods).toEqual(['totp', 'backup_code']);
    const prepared = service(MfaVerificationService).prepare(both.mfa_token, { method: 'mailbox' });
    await expect(prepared).rejects.toMatchObject({ code: 'MFA_AUTHENTICATOR_NOT_FOUND' });
    await prove(both.mfa_token, '222222', 'mailbox').expect(401, /MFA_CODE_REJECTED/);
    expect(match).not.toHaveBeenCalled();
    host.clock.advance(30);
    await prove(both.mfa_token, authenticator.code()).expect(200);
    const other = await firstFactor(user);
    expect(other.methods).toEqual(['totp', 'mailbox', 'backup_code']);
    await prove(other.mfa_token, '222222', 'mailbox').expect(200);
  });

  it('the services clear the cookie too, so that own controllers need not', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await firstFactor(user);
    const headers = new Map<string, unknown>();
    const response = {
      getHeader: () => undefined,
      setHeader: (name: string, value: unknown) => headers.set(name, value),
    };
    const http = { getRequest: () => ({ headers: { cookie: `mfa_token=${mfa_token}` } }), getResponse: () => response };
    const context = { getType: () => 'http', switchToHttp: () => http } as never;
    await service(MfaEnrollmentService).activate(
      { mfa_token },
      { type: 'mailbox', id: 'x', name: 'Mailbox' },
      {},
      context,
    );
    expect(headers.get('Set-Cookie')).toEqual([expect.stringMatching(/^mfa_token=; Max-Age=0;/)]);
    await request(user.server).get('/mfa/challenge').set('x-mfa-token', mfa_token).expect(401);
  });
});

/** A request that is not HTTP, and so has no cookie. */
const RPC = { getType: () => 'rpc' } as never;
