import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment } from '../../../../test/support/in-memory-enrollment.js';
import { provedStamp } from '../verification/proof-verifier.js';
import type { Enroller, EnrollingLogin } from './enrollers.js';
import type { EnrolledFactor } from './enrollment-completion.js';
import type { MfaConfirmation } from './enrollment-results.js';

let mfa: ReturnType<typeof inMemoryEnrollment>;
let securityStamp: number;
let errors: string[];
const completeLogin = vi.fn<(login: object, context: unknown) => unknown>();
const context = { getType: () => 'rpc' } as never;
beforeEach(async () => {
  mfa = inMemoryEnrollment();
  mfa.host.completeLogin = completeLogin as never;
  completeLogin.mockReset().mockReturnValue({ accessToken: 'a' });
  await mfa.accounts.open('ann', mfa.clock.nowMs());
  ({ securityStamp } = (await mfa.accounts.load('ann'))!.account);
  errors = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((message: string) => void errors.push(message));
});
afterEach(() => vi.restoreAllMocks());

const authenticator = { id: 'a-1', type: 'totp', name: 'Phone', createdAt: new Date(0) };
const LOGIN: EnrollingLogin = {
  reason: 'policy',
  spend: { kind: 'token', item: 'token-1', expiresAtMs: 1 },
  holds: () => true,
};

async function complete(
  login: Partial<EnrollingLogin> | null,
  changes: Partial<EnrolledFactor> = {},
  request = context,
) {
  const principal = { ...mfa.of('ann'), amr: ['pwd', 'hwk'] };
  const enroller = { ...(await mfa.enrollers.of(principal, 'totp')), login: login && { ...LOGIN, ...login } };
  const type = login?.reason === 'recovery' ? 'mfa.recovered' : 'mfa.authenticator.confirmed';
  const event = mfa.events.prepare({ type, userId: 'ann', authenticator }, request);
  const enrolled = { authenticator, event, amr: ['otp', 'mfa'], securityStamp, codes: ['c'], remaining: 1, tidyUp: [] };
  return mfa.completion.complete(enroller as Enroller, { ...enrolled, ...changes }, request);
}

describe('the end of an enrollment in a session', () => {
  it('delivers the change, tidies up, and returns a step-up for the session', async () => {
    const steps: string[] = [];
    const revokeSessions = vi.fn<(change: object, context: unknown) => void>(() => void steps.push('revoked'));
    mfa.host.revokeSessions = revokeSessions;
    const tidyUp = [async () => steps.push('tidied up'), async () => Promise.reject(new Error('database'))];
    const confirmed = (await complete(null, { tidyUp })) as MfaConfirmation;
    expect(confirmed).toEqual({
      enabled: true,
      backupCodes: ['c'],
      stepUp: {
        ...{ userId: 'ann', amr: ['pwd', 'otp', 'mfa'], mfaAt: new Date(mfa.clock.nowMs()) },
        ...{ factor: 'totp', backupCodesRemaining: 1 },
      },
    });
    expect(provedStamp(confirmed.stepUp)).toBe(securityStamp);
    expect(steps).toEqual(['revoked', 'tidied up']);
    const change = { type: 'mfa.authenticator.confirmed', userId: 'ann', enabled: true, sessionId: 'session of ann' };
    expect(revokeSessions).toHaveBeenCalledExactlyOnceWith(change, context);
    expect(await mfa.toldTypes()).toEqual(['mfa.authenticator.confirmed']);
    expect(completeLogin).not.toHaveBeenCalled();
  });

  it('shows no codes where a set existed', async () => {
    expect(await complete(null, { codes: null })).not.toHaveProperty('backupCodes');
  });
});

describe('the end of an enrollment within a login', () => {
  it('S100 delivers the change first, then opens the session', async () => {
    const steps: string[] = [];
    mfa.host.revokeSessions = ({ type }) => void steps.push(type);
    completeLogin.mockImplementation(() => (steps.push('opened'), { accessToken: 'a' }));
    await expect(complete({ state: { tenant: 7 } })).resolves.toEqual({
      enabled: true,
      backupCodes: ['c'],
      login: { accessToken: 'a' },
    });
    expect(steps).toEqual(['mfa.authenticator.confirmed', 'opened']);
    expect(completeLogin).toHaveBeenCalledExactlyOnceWith(
      {
        ...{ userId: 'ann', amr: ['pwd', 'otp', 'mfa'], mfaAt: new Date(mfa.clock.nowMs()), factor: 'totp' },
        ...{ backupCodesRemaining: 1, state: { tenant: 7 }, enrollmentDueAt: null },
      },
      context,
    );
    await Promise.resolve();
    expect(mfa.told.at(-1)).toMatchObject({ type: 'mfa.enrollment.completed', reason: 'policy', authenticator });
  });

  it('clears the cookie of the token, whatever the host does next', async () => {
    completeLogin.mockRejectedValue(new Error('session store'));
    const response = { getHeader: () => undefined, setHeader: vi.fn<(name: string, value: unknown) => void>() };
    const http = { getRequest: () => ({ headers: { cookie: 'mfa_token=t' } }), getResponse: () => response };
    await complete({}, {}, { getType: () => 'http', switchToHttp: () => http } as never);
    const [, value] = response.setHeader.mock.calls.find(([name]) => name === 'Set-Cookie')!;
    expect(value).toEqual([expect.stringMatching(/^mfa_token=; Max-Age=0;/)]);
  });

  it('has no state in the login where issue() got none', async () => {
    await complete({});
    expect(completeLogin.mock.lastCall![0]).not.toHaveProperty('state');
  });

  it('S104 is a recovery after a recovery code', async () => {
    await complete({ reason: 'recovery' });
    expect(mfa.changes.map(({ type }) => type)).toEqual(['mfa.recovered']);
    expect(await mfa.toldTypes()).toEqual(['mfa.recovered', 'mfa.enrollment.completed']);
  });

  it.each<[string, () => unknown]>([
    ['returns null', () => null],
    ['returns undefined', () => undefined],
    ['throws', () => Promise.reject(new Error('session store'))],
  ])('S39 shows the codes without a login where completeLogin %s, and logs it', async (_, result) => {
    vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    completeLogin.mockImplementation(result);
    await expect(complete({})).resolves.toStrictEqual({ enabled: true, backupCodes: ['c'] });
    expect(errors).toEqual([expect.stringContaining('No session was opened after an enrollment')]);
    expect(errors.join()).not.toContain('session store');
  });

  it('S71 ends the session where the security stamp changed meanwhile, and shows the codes', async () => {
    completeLogin.mockImplementation(async () => {
      await mfa.accounts.invalidate('ann');
      return { accessToken: 'a' };
    });
    await expect(complete({})).resolves.toEqual({ enabled: true, backupCodes: ['c'] });
    expect(mfa.changes.at(-1)).toMatchObject({ type: 'mfa.login.superseded', userId: 'ann' });
  });
});
