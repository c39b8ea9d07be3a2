import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import { MfaError } from '../domain/mfa-error.js';
import { challengeOf, hasCheckedChallenge } from './route-access.js';
import type { MfaRoute } from './mfa-route.js';
import { RouteAccess } from './route-access.js';
import { TokenExtractor } from './token-extractor.js';

const CHALLENGE: MfaRoute = { kind: 'challenge' };
const VERIFICATION: MfaRoute = { kind: 'verification' };

let mfa: InMemoryMfa;
let access: RouteAccess;
const setHeader = vi.fn<(response: unknown, name: string, value: string) => void>();

beforeEach(() => {
  mfa = inMemoryMfa();
  const { hostAccess, challenges, tokens, cookie, options, clock, accounts } = mfa;
  const extractor = new TokenExtractor(cookie, tokens, options);
  const adapterHost = { httpAdapter: { setHeader } } as never;
  access = new RouteAccess(hostAccess, challenges, tokens, extractor, accounts, mfa.policies, clock, adapterHost);
});
afterEach(() => {
  vi.restoreAllMocks();
  setHeader.mockReset();
});

function contextOf(request: object = {}, type = 'http'): ExecutionContext {
  const context = new ExecutionContextHost([request, {}]);
  context.setType(type);
  return context;
}

const admit = (route: MfaRoute, context: ExecutionContext) => access.admit(context, route);

/** The mfa_token of a first factor. */
async function firstFactor(): Promise<string> {
  await mfa.enroll('ann');
  const { mfa_token } = (await mfa.challenges.issue('ann')) as { mfa_token: string };
  return mfa_token;
}

describe('the verification route', () => {
  it('hands on a challenge of right signature and lifetime, and leaves its state to the spending: no SQL', async () => {
    const context = contextOf({ body: { mfa_token: await firstFactor() } });
    const load = vi.spyOn(mfa.accounts, 'load');
    await expect(admit(VERIFICATION, context)).resolves.toBe(true);
    expect(load).not.toHaveBeenCalled();
    expect(challengeOf(context).userId).toBe('ann');
  });

  it('S44a does not bypass the check of a challenge route', async () => {
    const context = contextOf({ body: { mfa_token: await firstFactor() } });
    await admit(VERIFICATION, context);
    await mfa.accounts.invalidate('ann');
    await expect(admit(CHALLENGE, context)).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
  });

  it('S40 refuses a missing, a malformed and an expired token', async () => {
    const mfa_token = await firstFactor();
    mfa.clock.advance(300);
    for (const request of [{}, { body: { mfa_token: 'x' } }, { body: { mfa_token } }]) {
      await expect(admit(VERIFICATION, contextOf(request))).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
    }
  });
});

describe('a challenge route', () => {
  it('admits the holder of an mfa_token, and hands the challenge on', async () => {
    const context = contextOf({ body: { mfa_token: await firstFactor() } });
    await expect(admit(CHALLENGE, context)).resolves.toBe(true);
    expect(challengeOf(context).userId).toBe('ann');
  });

  it('checks a token once for two guards of a request, and again for the next request', async () => {
    const request = { body: { mfa_token: await firstFactor() } };
    const check = vi.spyOn(mfa.challenges, 'check');
    for (const context of [contextOf(request), contextOf(request)]) {
      await expect(admit(CHALLENGE, context)).resolves.toBe(true);
    }
    expect(check).toHaveBeenCalledTimes(1);
    await admit(CHALLENGE, contextOf({ ...request }));
    expect(check).toHaveBeenCalledTimes(2);
  });

  it('S44a requires the token even of a session with a second factor', async () => {
    const mfaAt = new Date(mfa.clock.nowMs());
    mfa.host.principal = () => ({ userId: 'ann', accountName: 'ann', mfaAt, amr: ['mfa'] });
    for (const request of [{}, { body: { mfa_token: 'x' } }]) {
      await expect(admit(CHALLENGE, contextOf(request))).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
    }
  });

  it('S44a S41 is all that the token opens', async () => {
    const context = contextOf({ body: { mfa_token: await firstFactor() } });
    await admit(CHALLENGE, context);
    for (const kind of ['principal', 'second-factor'] as const) {
      await expect(admit({ kind }, context)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
    }
  });

  it('S46 takes no token over another transport', async () => {
    const context = contextOf({ body: { mfa_token: await firstFactor() } }, 'ws');
    await expect(admit(CHALLENGE, context)).rejects.toMatchObject({ error: { code: 'MFA_TOKEN_INVALID' } });
  });

  it('S45 denies when the storage fails, with the failure as it stands', async () => {
    const context = contextOf({ body: { mfa_token: await firstFactor() } });
    const failure = new Error('connection lost');
    vi.spyOn(mfa.accounts, 'load').mockRejectedValue(failure);
    await expect(admit(CHALLENGE, context)).rejects.toBe(failure);
    expect(hasCheckedChallenge(context)).toBe(false);
  });

  it('S58 says when to come back where the storage is busy', async () => {
    vi.spyOn(mfa.challenges, 'check').mockRejectedValue(new MfaError('MFA_BUSY', { retryAfterSeconds: 3 }));
    const context = contextOf({ body: { mfa_token: 'x' } });
    await expect(admit(CHALLENGE, context)).rejects.toMatchObject({ code: 'MFA_BUSY', status: 503 });
    expect(setHeader.mock.calls.map(([, name, value]) => [name, value])).toEqual([
      ['Cache-Control', 'no-store'],
      ['Retry-After', '3'],
    ]);
    expect(hasCheckedChallenge(context)).toBe(false);
  });
});
