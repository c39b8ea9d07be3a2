import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment, newPasskey } from '../../../../../test/support/in-memory-enrollment.js';
import type { MfaEnrollmentToken } from '../../enrollment/enrollment-results.js';

const REJECTED = { code: 'MFA_CODE_REJECTED' };

let mfa: ReturnType<typeof inMemoryEnrollment>;
afterEach(() => vi.restoreAllMocks());
const rows = () => [...mfa.state.passkeys.values()];

describe('a passkey within a login that must enroll', () => {
  const context = { getType: () => 'rpc' } as never;
  const INVALID = { code: 'MFA_TOKEN_INVALID' };
  beforeEach(() => {
    mfa = inMemoryEnrollment();
    mfa.host.policy = () => ({ id: 'everyone', required: true });
    mfa.host.authorizeEnrollment = () => true;
    mfa.host.completeLogin = ({ userId }) => ({ sessionOf: userId });
  });
  const tokenOf = async (userId = 'ann') => {
    const issued = await mfa.challenges.issue(userId, { accountName: `${userId}@acme.example` });
    if (!issued.enrollmentRequired) throw new Error('an enrollment is expected');
    return { mfa_token: issued.mfa_token };
  };
  const recoveryTokenOf = async () => {
    const { securityStamp } = (await mfa.accounts.load('ann'))!.account;
    const login = { userId: 'ann', securityStamp, first: { accountName: 'ann' } };
    return { mfa_token: mfa.tokens.signEnrollment(login as never, { reason: 'recovery', policyId: null }) };
  };
  const createdWith = async (token: MfaEnrollmentToken) =>
    newPasskey().create((await mfa.enrollment.setup(token, {}, context)).options);

  it('S100 is bound to the token of its setup, which the confirmation spends', async () => {
    const [token, other] = [await tokenOf(), await tokenOf()];
    const { options } = await mfa.enrollment.setup(token, {}, context);
    expect(options.user.name).toBe('ann@acme.example');
    const passkey = newPasskey().create(options);
    await expect(mfa.enrollment.confirm(other, { passkey }, context)).rejects.toMatchObject(REJECTED);
    await expect(mfa.enrollment.confirm(token, { passkey }, context)).resolves.toMatchObject({
      enabled: true,
      login: { sessionOf: 'ann' },
    });
    await mfa.change('ann', { activeFactors: [] });
    for (const call of [
      () => mfa.enrollment.setup(token, {}, context),
      () => mfa.enrollment.confirm(token, { passkey }, context),
    ])
      await expect(call()).rejects.toMatchObject(INVALID);
  });

  it('S100 is refused, before a proof or a response is looked at, where the token holds no more', async () => {
    const token = await tokenOf();
    const passkey = await createdWith(token);
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    const refuse = async () => {
      await expect(mfa.enrollment.confirm(token, { passkey }, context)).rejects.toMatchObject(INVALID);
      await expect(mfa.enrollment.setup(token, {}, context)).rejects.toMatchObject(INVALID);
    };
    await mfa.accounts.invalidate('ann');
    await refuse();
    await mfa.accounts.remove('ann');
    mfa.clock.advance(1);
    await refuse();
    expect(forSetup).not.toHaveBeenCalled();
    await mfa.toldTypes();
    expect(mfa.failures()).toEqual([]);
  });

  it('S104 after a recovery code takes the place of the others, however many there are', async () => {
    const { id } = await mfa.register('ann');
    mfa.options.passkeys!.max = 1;
    const token = await recoveryTokenOf();
    const passkey = await createdWith(token);
    await expect(mfa.enrollment.confirm(token, { passkey }, context)).resolves.toMatchObject({ enabled: true });
    expect(rows().map((row) => row.id)).not.toContain(id);
    expect((await mfa.accounts.load('ann'))!.account.activeFactors).toEqual([{ type: 'passkey', id: rows()[0]!.id }]);
  });
});
