import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment } from '../../../../test/support/in-memory-enrollment.js';
import type { EnrollmentClaims } from '../challenge/mfa-token.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import { sessionBinding } from '../host/session-binding.js';
import { accountOf, requireHolding } from './enrollers.js';

const POLICY = { id: 'everyone', required: true, methods: ['totp'] };
const BY_POLICY: EnrollmentClaims = { reason: 'policy', policyId: 'everyone' };
const INVALID = { code: 'MFA_TOKEN_INVALID' };

let mfa: ReturnType<typeof inMemoryEnrollment>;
let token: string;
beforeEach(async () => {
  mfa = inMemoryEnrollment();
  mfa.host.policy = () => POLICY;
  await mfa.accounts.open('ann', mfa.clock.nowMs());
  token = await tokenOf();
});
afterEach(() => vi.restoreAllMocks());

const load = async () => (await mfa.accounts.load('ann'))!;
async function tokenOf(first: object = {}, claims: EnrollmentClaims = BY_POLICY): Promise<string> {
  const { securityStamp } = (await load()).account;
  return mfa.tokens.signEnrollment({ userId: 'ann', securityStamp, first: { amr: [], ...first } }, claims);
}
const holder = async (given = token, method: string | null = null) => mfa.enrollers.of({ mfa_token: given }, method);

describe('a signed-in user who enrolls', () => {
  it('S79 is bound to the session', async () => {
    const { principal, binding, login } = await mfa.enrollers.of(mfa.of('ann'), 'passkey');
    expect(principal).toMatchObject(mfa.of('ann'));
    expect(binding).toBe(sessionBinding({ sessionId: 'session of ann', authenticatedAt: undefined }));
    expect(login).toBeNull();
  });

  it('needs no name of the account where the caller only ends a setup', async () => {
    const { principal } = await mfa.enrollers.of({ userId: 'ann', sessionId: 's' }, null);
    expect(principal).toMatchObject({ userId: 'ann', accountName: '', sessionId: 's' });
  });

  it.each([undefined, null, 'ann', 7])('S48 is refused where the caller is %j', async (caller) => {
    await expect(mfa.enrollers.of(caller as never, null)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });
});

describe('the holder of an enrollment token', () => {
  it('S100 is the user of the token, with the names and the state of the login, bound to the token', async () => {
    const state = { tenant: 7 };
    const names = { accountName: 'ann@example.test', issuer: 'Brand' };
    token = await tokenOf({ ...names, amr: ['pwd'], state: JSON.stringify(state) }, { ...BY_POLICY, proved: true });
    const { principal, binding, login } = await holder(token, 'totp');
    const { tokenId, expiresAtMs } = mfa.tokens.readEnrollment(token);
    expect(principal).toMatchObject({ userId: 'ann', ...names, amr: ['pwd'] });
    expect(principal.sessionId).toBeUndefined();
    expect(binding).toBe(sessionBinding({ sessionId: tokenId, authenticatedAt: undefined }));
    expect(login).toMatchObject({ reason: 'policy', proved: true, state });
    expect(login!.spend).toEqual({ kind: 'token', item: tokenId, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS });
  });

  it('has the user id as the name of the account, and no amr, where the login gave none', async () => {
    const { principal, login } = await holder();
    expect(principal).toMatchObject({ accountName: 'ann', amr: [] });
    expect(login!.state).toBeUndefined();
  });

  it('S48 is the user of the token, also where the client sent another id', async () => {
    const { principal } = await mfa.enrollers.of({ ...mfa.of('bob'), mfa_token: token }, null);
    expect(principal).toMatchObject({ userId: 'ann', accountName: 'ann' });
  });

  it('S102 may enroll only a method that the policy allows', async () => {
    await expect(holder(token, 'totp')).resolves.toBeDefined();
    await expect(holder(token, 'passkey')).rejects.toMatchObject({
      code: 'MFA_ENROLLMENT_REQUIRED',
      details: { methods: ['totp'] },
    });
  });

  it('S100 is refused with another text, and with an mfa_token', async () => {
    await expect(holder('x')).rejects.toMatchObject(INVALID);
    await expect(holder(mfa.tokens.sign('ann', 1))).rejects.toMatchObject(INVALID);
  });

  it('S100 loses the token as soon as the user has a factor', async () => {
    const { login } = await holder();
    expect(login!.holds(await load())).toBe(true);
    await mfa.enroll('ann');
    expect(login!.holds(await load())).toBe(false);
  });
});

describe('the account of an enroller', () => {
  const account = async (userId: string, login: Awaited<ReturnType<typeof holder>>['login']) =>
    accountOf(mfa.accounts, { principal: mfa.of(userId) as never, binding: null, login }, mfa.clock.nowMs());

  it('is opened for a signed-in user who has none', async () => {
    await expect(account('bob', null)).resolves.toMatchObject({ account: { userId: 'bob' } });
    expect(mfa.state.accounts.has('bob')).toBe(true);
  });

  it('S100 is the one that the token was signed for', async () => {
    const { login } = await holder();
    await expect(account('ann', login)).resolves.toMatchObject({ account: { userId: 'ann' } });
  });

  it('S100 is refused where the token no longer holds or is spent', async () => {
    const { login } = await holder();
    const { securityStamp } = (await load()).account;
    await mfa.usage.spend({ userId: 'ann', securityStamp, entries: [login!.spend], nowMs: 0 });
    await expect(account('ann', login)).rejects.toMatchObject(INVALID);
  });

  it('S100 is not opened again for a token whose user was purged', async () => {
    const { login } = await holder();
    await mfa.accounts.remove('ann');
    await expect(account('ann', login)).rejects.toMatchObject(INVALID);
    expect(mfa.state.accounts.has('ann')).toBe(false);
  });
});

describe('requireHolding', () => {
  const enroller = async (holds: boolean | null) => {
    const known = await holder();
    return { ...known, login: holds === null ? null : { ...known.login!, holds: () => holds } };
  };
  const refused = expect.objectContaining(INVALID) as Error;

  it('S100 accepts a token that holds for the account', async () => {
    const [known, snapshot] = [await enroller(true), await load()];
    expect(() => requireHolding(known, snapshot)).not.toThrow();
  });

  it('S100 throws where the token does not hold, or where there is no account', async () => {
    const [ended, known, snapshot] = [await enroller(false), await enroller(true), await load()];
    expect(() => requireHolding(ended, snapshot)).toThrow(refused);
    expect(() => requireHolding(known, null)).toThrow(refused);
  });

  it('requires no token of a signed-in user, with or without an account', async () => {
    const [known, snapshot] = [await enroller(null), await load()];
    expect(() => requireHolding(known, snapshot)).not.toThrow();
    expect(() => requireHolding(known, null)).not.toThrow();
  });
});
