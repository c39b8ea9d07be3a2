import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { AccountChange } from '../domain/accounts/account.store.js';
import type { MfaPolicy } from '../host/mfa-policy.js';
import { enrollmentHolds } from './enrollment-challenges.js';
import type { EnrollmentClaims } from './mfa-token.js';

const POLICY: MfaPolicy = { id: 'everyone', required: true };
const NAMED = { accountName: 'ann@example.test' };
const INVALID = { code: 'MFA_TOKEN_INVALID', status: 401 };

let mfa: InMemoryMfa;
beforeEach(() => {
  mfa = inMemoryMfa();
  mfa.host.policy = () => POLICY;
});
afterEach(() => vi.restoreAllMocks());

async function commit(change: AccountChange): Promise<void> {
  const { account } = (await mfa.accounts.load('ann'))!;
  await mfa.accounts.commit('ann', account.rowVersion, change);
}

/** The token of a login that must enroll. */
async function tokenOf(options: object = {}): Promise<string> {
  const issued = await mfa.challenges.issue('ann', { ...NAMED, ...options });
  if (!issued.enrollmentRequired) throw new Error('an enrollment is expected');
  return issued.mfa_token;
}

describe('issue under a policy', () => {
  it('S100 returns an enrollment for a user without a factor, and opens the account', async () => {
    await expect(mfa.challenges.issue('ann', NAMED)).resolves.toEqual({
      mfaRequired: true,
      enrollmentRequired: true,
      mfa_token: expect.any(String) as string,
      methods: [],
      enrollmentMethods: ['totp'],
      expiresIn: 900,
    });
    expect(mfa.state.accounts.has('ann')).toBe(true);
    await Promise.resolve();
    expect(mfa.told).toMatchObject([{ type: 'mfa.challenge.issued', userId: 'ann', enrollmentRequired: true }]);
  });

  it('S101 returns a login with the due date within grace, and an enrollment from that very millisecond', async () => {
    mfa.host.policy = () => ({ ...POLICY, graceSeconds: 60 });
    const enrollmentDueAt = new Date(mfa.clock.nowMs() + 60_000);
    const login = { userId: 'ann', amr: ['pwd'], mfaAt: null, factor: null, backupCodesRemaining: null };
    await expect(mfa.challenges.issue('ann', { ...NAMED, amr: ['pwd'] })).resolves.toEqual({
      mfaRequired: false,
      login: { ...login, enrollmentDueAt },
    });
    mfa.clock.advance(59.999);
    await expect(mfa.challenges.issue('ann', NAMED)).resolves.toMatchObject({ mfaRequired: false });
    mfa.clock.advance(0.001);
    await expect(mfa.challenges.issue('ann', NAMED)).resolves.toMatchObject({ enrollmentRequired: true });
  });

  it('S43a asks for the factor of a user who has one, allowed or not', async () => {
    await mfa.enroll('ann');
    mfa.host.policy = () => ({ ...POLICY, methods: ['totp'] });
    await expect(mfa.challenges.issue('ann', NAMED)).resolves.toMatchObject({ methods: ['totp'] });
    await commit({ activeFactors: [{ type: 'card', id: 'c-1' }] });
    const issued = await mfa.challenges.issue('ann', NAMED);
    expect(issued).toMatchObject({ mfaRequired: true, methods: [] });
    expect(issued).not.toHaveProperty('enrollmentRequired');
  });

  it('S101 records the first login under the policy also for a user who has a factor', async () => {
    await mfa.enroll('ann');
    const firstSeenAtMs = mfa.clock.nowMs();
    await mfa.challenges.issue('ann', NAMED);
    mfa.clock.advance(60);
    await mfa.challenges.issue('ann', NAMED);
    await expect(mfa.policiesSeen.list('ann')).resolves.toEqual([{ policyId: 'everyone', firstSeenAtMs }]);
  });

  it('S102 returns an enrollment after a reset, whatever the policy is', async () => {
    await mfa.accounts.open('ann', mfa.clock.nowMs());
    await commit({ mustEnrollSinceMs: 1 });
    for (const policy of [null, { ...POLICY, required: false }, { ...POLICY, graceSeconds: 60 }]) {
      mfa.host.policy = () => policy;
      const claims = mfa.tokens.readEnrollment(await tokenOf());
      expect(claims.enrollment).toEqual({ reason: 'reset', policyId: null });
    }
  });

  it('requires the name of the account where there is a policy, and nowhere else', async () => {
    await expect(mfa.challenges.issue('ann')).rejects.toThrow(/`accountName` is required/);
    delete mfa.host.policy;
    await expect(mfa.challenges.issue('ann')).resolves.toMatchObject({ mfaRequired: false });
  });

  it('asks for the factor of a user who confirmed one after the first read', async () => {
    vi.spyOn(mfa.accounts, 'loadForLogin').mockResolvedValue({
      snapshot: null,
      otherCase: false,
      policySeenAtMs: null,
      device: null,
    });
    await mfa.enroll('ann');
    await expect(mfa.challenges.issue('ann', NAMED)).resolves.toMatchObject({ mfaRequired: true, methods: ['totp'] });
  });

  it('is MFA_MISCONFIGURED where policy and first factor leave no method', async () => {
    await expect(mfa.challenges.issue('ann', { ...NAMED, firstFactor: 'totp' })).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: 'MfaModule: the policy and `firstFactor` of the login leave no method that the user could enroll',
    });
  });

  it('sets the cookie for the life of the token', async () => {
    const cookie = { getHeader: () => undefined, setHeader: vi.fn<(name: string, value: unknown) => void>() };
    const token = await tokenOf({ cookie });
    const [, value] = cookie.setHeader.mock.calls.find(([name]) => name === 'Set-Cookie')!;
    expect(value).toEqual([expect.stringMatching(`^mfa_token=${token}; Max-Age=900;`)]);
  });
});

describe('the token of an enrollment', () => {
  it('S100 cannot be used as an mfa_token, and an mfa_token cannot be used as the token of an enrollment', async () => {
    const token = await tokenOf();
    expect(() => mfa.tokens.read(token)).toThrow(expect.objectContaining({ code: 'MFA_TOKEN_INVALID' }));
    await expect(mfa.challenges.check(token)).rejects.toMatchObject(INVALID);
    const other = mfa.tokens.sign('ann', 1);
    expect(() => mfa.tokens.readEnrollment(other)).toThrow(expect.objectContaining({ code: 'MFA_TOKEN_INVALID' }));
    expect([token, other].map((each) => mfa.tokens.isEnrollment(each))).toEqual([true, false]);
    expect([token, other, 'x'].map((each) => mfa.tokens.isReadable(each))).toEqual([true, true, false]);
  });

  it('S40 ends after its lifetime', async () => {
    mfa = inMemoryMfa({ enrollment: { proof: 'session-only', tokenLifetimeSeconds: 60 } });
    mfa.host.policy = () => POLICY;
    const token = await tokenOf();
    mfa.clock.advance(59);
    expect(mfa.tokens.isEnrollment(token)).toBe(true);
    mfa.clock.advance(1);
    expect(mfa.tokens.isEnrollment(token)).toBe(false);
  });

  it('contains names and state of the login, encrypted', async () => {
    const token = await tokenOf({ issuer: 'Brand', state: { tenant: 7 } });
    const payload = Buffer.from(token.split('.')[1]!, 'base64url').toString();
    expect(payload).not.toContain('ann@example.test');
    expect(mfa.tokens.loginOf(mfa.tokens.readEnrollment(token))).toEqual({
      accountName: 'ann@example.test',
      issuer: 'Brand',
      state: { tenant: 7 },
    });
  });

  it('is described with the methods that are allowed now, and its remaining seconds', async () => {
    const token = await tokenOf();
    mfa.clock.advance(0.5);
    await expect(mfa.challenges.describe(token)).resolves.toEqual({
      mfaRequired: true,
      enrollmentRequired: true,
      methods: [],
      enrollmentMethods: ['totp'],
      expiresIn: 900,
    });
    mfa.clock.advance(899.5);
    await expect(mfa.challenges.describe(token)).rejects.toMatchObject(INVALID);
  });

  it('S40 is not described where it ends while the account is read', async () => {
    const token = await tokenOf();
    const load = mfa.accounts.load.bind(mfa.accounts);
    vi.spyOn(mfa.accounts, 'load').mockImplementation(async (...args) => {
      mfa.clock.advance(900);
      return load(...args);
    });
    await expect(mfa.challenges.describe(token)).rejects.toMatchObject(INVALID);
  });

  it.each<[string, () => Promise<unknown> | void]>([
    ['the security stamp rose', async () => mfa.accounts.invalidate('ann')],
    ['the user has a factor', async () => mfa.enroll('ann')],
    ['the account is gone', async () => mfa.accounts.remove('ann')],
    ['the policy is another one', () => void (mfa.host.policy = () => ({ ...POLICY, id: 'other' }))],
    ['the policy no longer requires a factor', () => void (mfa.host.policy = () => ({ ...POLICY, required: false }))],
    ['there is no policy any more', () => void (mfa.host.policy = () => null)],
    [
      'it is spent',
      async () => {
        const { account } = (await mfa.accounts.load('ann'))!;
        const { tokenId } = mfa.tokens.readEnrollment(token);
        const entries = [{ kind: 'token', item: tokenId, expiresAtMs: null }] as const;
        await mfa.usage.spend({ userId: 'ann', securityStamp: account.securityStamp, entries, nowMs: 0 });
      },
    ],
  ])('S100 ends where %s', async (_, change) => {
    token = await tokenOf();
    await expect(mfa.challenges.describe(token)).resolves.toBeDefined();
    await change();
    await expect(mfa.challenges.describe(token)).rejects.toMatchObject(INVALID);
  });

  let token: string;
});

describe('enrollmentHolds', () => {
  const RULES = {
    policy: { ...POLICY, graceMs: 0, deadlineMs: null, methods: ['passkey'], backupCodes: true, trustedDevices: true },
  };
  const holds = (enrollment: EnrollmentClaims, held: string[], account: object = {}) =>
    enrollmentHolds(
      {
        account: {
          ...{ userId: 'ann', securityStamp: 7, mustEnrollSinceMs: null },
          activeFactors: held.map((type) => ({ type, id: type })),
          ...account,
        } as never,
        tokenSpent: false,
      },
      { userId: 'ann', tokenId: 't', securityStamp: 7, expiresAtMs: 1, enrollment },
      RULES,
    );
  const byPolicy = { reason: 'policy', policyId: 'everyone' } as const;
  const byReset = { reason: 'reset', policyId: null } as const;
  const byRecovery = { reason: 'recovery', policyId: null } as const;

  it.each<[string, boolean, boolean]>([
    ['a password alone, and no factor', true, holds(byPolicy, [])],
    ['a password alone, and a factor that is not allowed', false, holds(byPolicy, ['totp'])],
    ['a password alone, and an allowed factor', false, holds(byPolicy, ['passkey'])],
    ['a proof, and a factor that is not allowed', true, holds({ ...byPolicy, proved: true }, ['totp'])],
    ['a proof, and an allowed factor', false, holds({ ...byPolicy, proved: true }, ['totp', 'passkey'])],
    ['a reset that still counts', true, holds(byReset, [], { mustEnrollSinceMs: 1 })],
    ['a reset that was ended by a confirmation', false, holds(byReset, [])],
    ['a reset, and a factor', false, holds(byReset, ['totp'], { mustEnrollSinceMs: 1 })],
    ['a recovery code, whatever factors there are', true, holds(byRecovery, ['totp', 'passkey'])],
    ['a recovery code, and another security stamp', false, holds(byRecovery, [], { securityStamp: 8 })],
    ['the account of another user', false, holds(byRecovery, [], { userId: 'Ann' })],
  ])('S100 after %s is %s', (_, expected, result) => {
    expect(result).toBe(expected);
  });
});
