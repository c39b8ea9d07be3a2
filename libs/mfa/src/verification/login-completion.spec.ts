import { ForbiddenException, Logger, type ExecutionContext } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification } from '../../../../test/support/in-memory-verification.js';
import type { MfaLogin } from '../host/mfa-host.js';
import type { VirtualAuthenticator } from '../testing/virtual-authenticator.js';

let mfa: ReturnType<typeof inMemoryVerification>;
let phone: VirtualAuthenticator;
const completeLogin = vi.fn<(login: MfaLogin, context: ExecutionContext) => unknown>();
const revokeSessions = vi.fn<(...call: unknown[]) => unknown>();

beforeEach(async () => {
  mfa = inMemoryVerification();
  phone = (await mfa.enroll('ann')).authenticator;
  completeLogin.mockReset().mockReturnValue({ accessToken: 'new' });
  revokeSessions.mockReset();
  Object.assign(mfa.host, { completeLogin, revokeSessions });
});
afterEach(() => vi.restoreAllMocks());

const context = { getType: () => 'graphql' } as unknown as ExecutionContext;
const INVALID = { code: 'MFA_TOKEN_INVALID', status: 401 };

async function login() {
  const issued = await mfa.challenges.issue('ann', { amr: ['pwd'], state: 'remember' });
  return mfa.verification.login(issued.mfaRequired ? issued.mfa_token : '', { code: phone.code() }, context);
}

/** Runs a change of the account between the spending and the end of `completeLogin`. */
const meanwhile = (change: () => Promise<unknown>) =>
  completeLogin.mockImplementation(async () => {
    await change();
    return { accessToken: 'new' };
  });
const superseded = (enabled: boolean) => [[{ type: 'mfa.login.superseded', userId: 'ann', enabled }, undefined]];

describe('a whole login', () => {
  it('returns what completeLogin returned, with a token as text and the context of another transport', async () => {
    await expect(login()).resolves.toEqual({ accessToken: 'new' });
    expect(completeLogin).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ userId: 'ann', amr: ['pwd', 'otp', 'mfa'], state: 'remember', enrollmentDueAt: null }),
      context,
    );
    expect(revokeSessions).not.toHaveBeenCalled();
  });

  it.each([false, 0, ''])('returns %j as it is', async (response) => {
    completeLogin.mockReturnValue(response);
    await expect(login()).resolves.toBe(response);
  });

  it.each([null, undefined])('S71 is refused with 401 where completeLogin returns %s', async (response) => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    completeLogin.mockResolvedValue(response);
    await expect(login()).rejects.toMatchObject(INVALID);
    expect(warn.mock.calls.flat()).toEqual(
      response === undefined ? [expect.stringContaining('completeLogin returned undefined')] : [],
    );
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new ForbiddenException('blocked');
      },
    ],
    ['rejects', () => Promise.reject(new ForbiddenException('blocked'))],
  ])('S44 S71 fails with what completeLogin %s, and the token is spent', async (_, complete) => {
    completeLogin.mockImplementation(complete);
    const token = await mfa.challenges.issue('ann');
    const mfa_token = token.mfaRequired ? token.mfa_token : '';
    const answer = mfa.verification.login(mfa_token, { code: phone.code() }, context);
    await expect(answer).rejects.toMatchObject({ message: 'blocked', status: 403 });
    await expect(mfa.verification.login(mfa_token, { code: phone.code(1) }, context)).rejects.toMatchObject(INVALID);
  });
});

describe('S71 a login whose account changes while completeLogin runs', () => {
  const commit = async (change: object) => {
    const { securityStamp, rowVersion } = (await mfa.accounts.load('ann'))!.account;
    await mfa.accounts.commit('ann', rowVersion, { securityStamp: securityStamp + 1, ...change });
  };

  it.each<[string, () => Promise<unknown>, boolean]>([
    ['an authenticator was removed', () => commit({}), true],
    ['MFA was disabled', () => commit({ activeFactors: [], backupSetId: null }), false],
    ['tokens were revoked', () => mfa.accounts.invalidate('ann'), true],
    ['the account was purged', () => mfa.accounts.remove('ann'), false],
  ])('is refused and its sessions end: %s', async (_, change, enabled) => {
    mfa.host.requestInfo = (given) => (given === context ? { requestId: 'r1' } : {});
    meanwhile(change);
    await expect(login()).rejects.toMatchObject(INVALID);
    expect(revokeSessions.mock.calls).toEqual(superseded(enabled));
    await vi.waitFor(() =>
      expect(mfa.told.at(-1)).toMatchObject({
        ...{ type: 'mfa.login.superseded', actor: { type: 'system' }, requestId: 'r1' },
      }),
    );
  });

  it('stays where the change leaves the tokens alive: a rename, a use, a further factor', async () => {
    meanwhile(() => commit({ securityStamp: mfa.state.accounts.get('ann')!.securityStamp, pendingId: 'new' }));
    await expect(login()).resolves.toEqual({ accessToken: 'new' });
    expect(revokeSessions).not.toHaveBeenCalled();
  });

  it('ends its sessions also where completeLogin then throws, and what it throws is the response', async () => {
    completeLogin.mockImplementation(async () => {
      await commit({});
      throw new ForbiddenException('mail server');
    });
    await expect(login()).rejects.toMatchObject({ message: 'mail server' });
    expect(revokeSessions.mock.calls).toEqual(superseded(true));
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('session store');
      },
    ],
    ['rejects', () => Promise.reject(new Error('session store'))],
    ['returns a session', () => 'session'],
  ])('is refused where revokeSessions %s', async (_, hook) => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    meanwhile(() => commit({}));
    revokeSessions.mockImplementation(hook);
    await expect(login()).rejects.toMatchObject(INVALID);
  });

  it('S45 is refused, and its sessions end, where the account cannot be read', async () => {
    vi.spyOn(mfa.accounts, 'securityStampOf').mockRejectedValue(new Error('connection lost'));
    await expect(login()).rejects.toThrow('connection lost');
    expect(revokeSessions.mock.calls).toEqual(superseded(false));
  });
});
