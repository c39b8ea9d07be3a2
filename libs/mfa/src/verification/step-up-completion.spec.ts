import { type ExecutionContext, Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification } from '../../../../test/support/in-memory-verification.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { MfaStepUp } from '../host/mfa-host.js';
import { requirePrincipal } from '../host/require-principal.js';
import { SupersededSessions } from './login-completion.js';
import { provedAt } from './proof-verifier.js';
import { StepUpCompletion } from './step-up-completion.js';

let mfa: ReturnType<typeof inMemoryVerification>;
let completion: StepUpCompletion;
let principal: KnownPrincipal;
let proved: MfaStepUp;
let errors: string[];
const completeStepUp = vi.fn<(stepUp: object, context: unknown) => unknown>();
const revokeSessions = vi.fn<(change: object) => void>();
const context = {} as ExecutionContext;

beforeEach(async () => {
  mfa = inMemoryVerification();
  completeStepUp.mockReset().mockReturnValue({ accessToken: 'raised' });
  revokeSessions.mockReset();
  Object.assign(mfa.host, { completeStepUp, revokeSessions });
  completion = new StepUpCompletion(mfa.hostAccess, new SupersededSessions(mfa.accounts, mfa.events));
  await mfa.enroll('ann');
  principal = requirePrincipal({ userId: 'ann', accountName: 'ann', sessionId: 's', amr: ['pwd'] });
  const { securityStamp } = (await mfa.accounts.load('ann'))!.account;
  const stepUp = { userId: 'ann', amr: ['otp', 'mfa'], mfaAt: new Date(0), factor: 'totp', backupCodesRemaining: 0 };
  proved = provedAt(securityStamp, stepUp);
  errors = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((message: string) => void errors.push(message));
});
afterEach(() => vi.restoreAllMocks());

const superseded = (enabled: boolean) => [[{ type: 'mfa.login.superseded', userId: 'ann', enabled }, undefined]];
/** Changes the factors while the host raises the session. */
const meanwhile = (change: () => Promise<unknown>, result: () => unknown = () => ({ accessToken: 'raised' })) =>
  completeStepUp.mockImplementation(async () => {
    await change();
    return result();
  });
const invalidate = async () => mfa.accounts.invalidate('ann');
const fail = () => {
  throw new Error('session store');
};

describe('the session after a step-up', () => {
  it('is raised by the host, with the methods of the session and of the proof', async () => {
    const amr = ['pwd', 'otp', 'mfa'];
    const raised = { amr, session: { accessToken: 'raised' } };
    await expect(completion.complete(principal, proved, context)).resolves.toEqual(raised);
    expect(completeStepUp).toHaveBeenCalledExactlyOnceWith({ ...proved, amr, sessionId: 's' }, context);
    expect(revokeSessions).not.toHaveBeenCalled();
  });

  it('has no id where the host names none, and no new value where the host returns null', async () => {
    completeStepUp.mockReturnValue(null);
    const { session } = await completion.complete({ ...principal, sessionId: undefined }, proved, context);
    expect(session).toBeUndefined();
    expect(completeStepUp.mock.lastCall![0]).not.toHaveProperty('sessionId');
  });

  it('has no new value where the host has no completeStepUp', async () => {
    Object.assign(mfa.host, { completeStepUp: undefined });
    await expect(completion.complete(principal, proved, context)).resolves.toMatchObject({ session: undefined });
  });

  it('S72 ends where the factors changed while it was raised', async () => {
    mfa.host.requestInfo = (given) => (given === context ? { requestId: 'r1' } : {});
    meanwhile(invalidate);
    await expect(completion.complete(principal, proved, context)).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect(revokeSessions.mock.calls).toEqual(superseded(true));
    await vi.waitFor(() => expect(mfa.told.at(-1)).toMatchObject({ type: 'mfa.login.superseded', requestId: 'r1' }));
  });

  it('S72 ends also where the host throws after the factors changed, with what the host threw', async () => {
    meanwhile(invalidate, fail);
    await expect(completion.complete(principal, proved, context)).rejects.toThrow('session store');
    expect(revokeSessions.mock.calls).toEqual(superseded(true));
  });

  it('S45 is refused with what the host threw, also where the account cannot be read', async () => {
    completeStepUp.mockImplementation(fail);
    vi.spyOn(mfa.accounts, 'securityStampOf').mockRejectedValue(new Error('database'));
    await expect(completion.complete(principal, proved, context)).rejects.toThrow('session store');
  });
});

describe('the session after a confirmation', () => {
  const confirmed = async () => completion.confirmed(principal, proved, context);

  it('S39 is what the host returned', async () => {
    await expect(confirmed()).resolves.toEqual({ accessToken: 'raised' });
    expect(revokeSessions).not.toHaveBeenCalled();
    expect(errors).toEqual([]);
  });

  it('S39 is not raised where the host throws, which is logged without the message', async () => {
    completeStepUp.mockImplementation(fail);
    await expect(confirmed()).resolves.toBeUndefined();
    expect(errors).toEqual(['MfaHost.completeStepUp failed after a confirmation; the session was not raised']);
  });

  it.each<[string, boolean, () => Promise<unknown>]>([
    ['the factors changed', true, invalidate],
    ['the account is gone', false, async () => mfa.accounts.remove('ann')],
  ])('S72 ends where %s meanwhile, and nothing is thrown', async (_, enabled, change) => {
    meanwhile(change);
    await expect(confirmed()).resolves.toBeUndefined();
    expect(revokeSessions.mock.calls).toEqual(superseded(enabled));
  });

  it('S39 is kept where the account cannot be read', async () => {
    vi.spyOn(mfa.accounts, 'securityStampOf').mockRejectedValue(new Error('database'));
    await expect(confirmed()).resolves.toEqual({ accessToken: 'raised' });
    expect(revokeSessions).not.toHaveBeenCalled();
  });

  it('S72 ends as one without factors where they cannot be read after a change', async () => {
    meanwhile(invalidate);
    vi.spyOn(mfa.accounts, 'load').mockRejectedValue(new Error('database'));
    await expect(confirmed()).resolves.toBeUndefined();
    expect(revokeSessions.mock.calls).toEqual(superseded(false));
  });
});
