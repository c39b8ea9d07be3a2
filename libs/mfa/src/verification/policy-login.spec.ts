import type { ExecutionContext } from '@nestjs/common';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment } from '../../../../test/support/in-memory-enrollment.js';
import type { MfaIssueOptions } from '../challenge/challenge.service.js';
import { recoveryHash } from '../domain/recovery/recovery-code.js';
import type { MfaPolicy } from '../host/mfa-policy.js';
import type { VirtualAuthenticator } from '../testing/virtual-authenticator.js';
import type { MfaProof } from './verification.service.js';

const PASSKEYS: MfaPolicy = { id: 'staff', required: true, methods: ['passkey'] };
const NAMES = { accountName: 'ann@example.test', issuer: 'Brand' };
const RECOVERY: MfaProof = { code: 'ABCD-EFGH-2345-6789', method: 'recovery_code' };
const REJECTED = { code: 'MFA_CODE_REJECTED' };

let mfa: ReturnType<typeof inMemoryEnrollment>;
let phone: VirtualAuthenticator;
let phoneId: string;
const completeLogin = vi.fn<(login: object, context: unknown) => unknown>();
beforeEach(async () => {
  mfa = inMemoryEnrollment();
  mfa.host.policy = () => PASSKEYS;
  mfa.host.completeLogin = completeLogin as never;
  completeLogin.mockReset().mockReturnValue({ accessToken: 'a' });
  ({ authenticator: phone, id: phoneId } = await mfa.enroll('ann'));
});

async function tokenOf(options: MfaIssueOptions = {}): Promise<string> {
  const issued = await mfa.challenges.issue('ann', { ...NAMES, amr: ['pwd'], ...options });
  if (!issued.mfaRequired || issued.enrollmentRequired) throw new Error('a second step is expected');
  return issued.mfa_token;
}
const verify = async (proof: MfaProof, options: MfaIssueOptions = {}) =>
  mfa.verification.verify(await tokenOf(options), proof);
const holdPasskeyToo = async () =>
  mfa.change('ann', {
    activeFactors: [
      { type: 'totp', id: phoneId },
      { type: 'passkey', id: 'p-1' },
    ],
  });
const giveRecoveryCode = async () => {
  const hash = recoveryHash('ann', 'ABCDEFGH23456789', mfa.options.keyRing.newest);
  await mfa.change('ann', { recovery: { hash, expiresAtMs: mfa.clock.nowMs() + 1000 } });
};
/** The claims and the details of the token that a login returned. */
function enrollmentIn(result: object) {
  const claims = mfa.tokens.readEnrollment((result as { mfa_token: string }).mfa_token);
  return { claims, details: mfa.tokens.loginOf(claims) };
}

describe('a login by a factor that the policy does not allow', () => {
  it('S102 leads to the enrollment of an allowed one, with what the login proved and gave', async () => {
    const result = await verify({ code: phone.code() }, { state: { tenant: 7 }, firstFactor: 'email' });
    expect(result).toEqual({
      ...{ mfaRequired: true, enrollmentRequired: true, methods: [], enrollmentMethods: ['passkey'], expiresIn: 900 },
      mfa_token: expect.any(String) as string,
    });
    const { claims, details } = enrollmentIn(result);
    expect(claims).toMatchObject({ userId: 'ann', amr: ['pwd', 'otp', 'mfa'], firstFactor: 'email' });
    expect(claims.enrollment).toEqual({ reason: 'policy', policyId: 'staff', proved: true });
    expect(details).toEqual({ ...NAMES, state: { tenant: 7 } });
    expect(enrollmentIn(await verify({ code: phone.code(1) })).details).toStrictEqual(NAMES);
  });

  it('S101 opens a session with the due date within grace, and none from that very millisecond', async () => {
    mfa.host.policy = () => ({ ...PASSKEYS, graceSeconds: 60 });
    const enrollmentDueAt = new Date(mfa.clock.nowMs() + 60_000);
    const token = await tokenOf();
    mfa.clock.advance(59.999);
    await expect(mfa.verification.verify(token, { code: phone.code() })).resolves.toMatchObject({
      mfaRequired: false,
      login: { factor: 'totp', enrollmentDueAt },
    });
    mfa.clock.advance(0.001);
    await expect(verify({ code: phone.code(1) })).resolves.toMatchObject({ enrollmentRequired: true });
  });

  it.each<[string, MfaPolicy | null]>([
    ['there is no policy', null],
    ['the policy requires nothing', { ...PASSKEYS, required: false }],
    ['the policy allows the factor', { ...PASSKEYS, methods: ['totp'] }],
  ])('opens a session without a due date where %s', async (_, policy) => {
    mfa.host.policy = () => policy;
    await expect(verify({ code: phone.code() })).resolves.toMatchObject({
      mfaRequired: false,
      login: { enrollmentDueAt: null },
    });
  });

  it('S102 is refused where the user has an allowed factor, also for a step-up', async () => {
    await holdPasskeyToo();
    await expect(verify({ code: phone.code() })).rejects.toMatchObject(REJECTED);
    await expect(mfa.verification.stepUp('ann', { code: phone.code() })).rejects.toMatchObject(REJECTED);
  });

  it('S102 is refused for the first factor of the login, also without a policy', async () => {
    delete mfa.host.policy;
    await expect(verify({ code: phone.code() }, { firstFactor: 'totp' })).rejects.toMatchObject(REJECTED);
    await expect(verify({ code: phone.code() }, { firstFactor: 'email' })).resolves.toMatchObject({
      mfaRequired: false,
    });
  });

  it('is refused for a backup code where the policy forbids them', async () => {
    mfa.host.policy = () => ({ ...PASSKEYS, backupCodes: false });
    await mfa.giveBackupCodes('ann', ['ABCD-EFGH']);
    await expect(verify({ code: 'ABCD-EFGH' })).rejects.toMatchObject(REJECTED);
  });
});

describe('a login by a recovery code', () => {
  beforeEach(giveRecoveryCode);

  it.each<[string, MfaPolicy | null, string[]]>([
    ['under a policy', PASSKEYS, ['passkey']],
    ['without a policy', null, ['totp', 'passkey']],
  ])('S104 leads to an enrollment that replaces the factors %s', async (_, policy, enrollmentMethods) => {
    mfa.host.policy = () => policy;
    const result = await verify(RECOVERY);
    expect(result).toMatchObject({ enrollmentRequired: true, enrollmentMethods });
    expect(enrollmentIn(result).claims.enrollment).toEqual({ reason: 'recovery', policyId: null });
  });

  it('S104 runs no statement of the policy after the code was spent', async () => {
    const token = await tokenOf();
    const enforcedFrom = vi.spyOn(mfa.policies, 'enforcedFrom');
    await expect(mfa.verification.verify(token, RECOVERY)).resolves.toMatchObject({ enrollmentRequired: true });
    expect(enforcedFrom).not.toHaveBeenCalled();
  });
});

describe('the cookie of a whole login', () => {
  const response = { getHeader: () => undefined, setHeader: vi.fn<(name: string, value: unknown) => void>() };
  const http = { getRequest: () => ({ headers: { cookie: 'mfa_token=t' } }), getResponse: () => response };
  const context = { getType: () => 'http', switchToHttp: () => http } as unknown as ExecutionContext;
  const login = async () => mfa.verification.login(await tokenOf(), { code: phone.code() }, context);
  const written = () => response.setHeader.mock.calls.find(([name]) => name === 'Set-Cookie')?.[1];
  beforeEach(() => void response.setHeader.mockClear());

  it('S100 gets the token of the enrollment that is required first, and no session is opened', async () => {
    const { mfa_token } = (await login()) as { mfa_token: string };
    expect(written()).toEqual([expect.stringMatching(`^mfa_token=${mfa_token}; Max-Age=900;`)]);
    expect(completeLogin).not.toHaveBeenCalled();
  });

  it('S44 is cleared before the session is opened', async () => {
    delete mfa.host.policy;
    completeLogin.mockImplementation(() => ({ cookie: written() }));
    await expect(login()).resolves.toEqual({ cookie: [expect.stringMatching(/^mfa_token=; Max-Age=0;/)] });
  });
});

it('prepare passes on the caller, the request and its context', async () => {
  const prepare = vi.spyOn(mfa.preparation, 'prepare').mockResolvedValue({ challenge: 'c' });
  const context = {} as ExecutionContext;
  const prepared = mfa.verification.prepare('token', { method: 'passkey', purpose: 'verify' }, context);
  await expect(prepared).resolves.toEqual({ challenge: 'c' });
  expect(prepare).toHaveBeenCalledExactlyOnceWith('token', { method: 'passkey', purpose: 'verify', context });
});
