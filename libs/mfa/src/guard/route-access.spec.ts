import { Logger, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { MfaRoute } from './mfa-route.js';
import { RouteAccess } from './route-access.js';
import { TokenExtractor } from './token-extractor.js';

const PRINCIPAL: MfaRoute = { kind: 'principal' };
const SECOND_FACTOR: MfaRoute = { kind: 'second-factor' };

let mfa: InMemoryMfa;
let access: RouteAccess;
const setHeader = vi.fn<(response: unknown, name: string, value: string) => void>();
const response = { of: 'this request' };

beforeEach(() => {
  mfa = inMemoryMfa();
  access = accessOf({ httpAdapter: { setHeader } });
});
afterEach(() => {
  vi.restoreAllMocks();
  setHeader.mockReset();
});

function accessOf(adapterHost: object): RouteAccess {
  const { hostAccess, challenges, tokens, cookie, options, clock, accounts } = mfa;
  return new RouteAccess(
    hostAccess,
    challenges,
    tokens,
    new TokenExtractor(cookie, tokens, options),
    accounts,
    mfa.policies,
    clock,
    adapterHost as never,
  );
}

function contextOf(request: object = {}, type = 'http'): ExecutionContext {
  const context = new ExecutionContextHost([request, response]);
  context.setType(type);
  return context;
}

/** Makes the host know a session of Ann. */
function signIn(session: object = {}): void {
  mfa.host.principal = () => ({ userId: 'ann', accountName: 'ann@example.org', ...session });
}

const admit = (route: MfaRoute, context = contextOf()) => access.admit(context, route);
const headersWritten = () => Object.fromEntries(setHeader.mock.calls.map(([, name, value]) => [name, value]));

describe('an open route', () => {
  it('admits without asking anybody', async () => {
    const principal = vi.spyOn(mfa.host, 'principal');
    await expect(admit({ kind: 'open' })).resolves.toBe(true);
    expect(principal).not.toHaveBeenCalled();
  });
});

describe.each([PRINCIPAL, SECOND_FACTOR])('S45 a route that requires $kind', (route) => {
  it('refuses where nobody is signed in', async () => {
    await expect(admit(route)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED', status: 401 });
  });

  it.each([
    ['undefined', undefined],
    ['a principal without an id', {}],
    ['an empty id', { userId: '' }],
    ['a padded id', { userId: ' ann' }],
  ])('refuses %s', async (_, principal) => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    mfa.host.principal = () => principal as never;
    await expect(admit(route)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });

  it('passes on what the host throws, as it stands, and writes none of our headers', async () => {
    const refusal = new UnauthorizedException('the session ended');
    mfa.host.principal = () => Promise.reject(refusal);
    await expect(admit(route)).rejects.toBe(refusal);
    expect(setHeader).not.toHaveBeenCalled();
  });
});

describe('a route for signed-in users', () => {
  it('admits without a second factor', async () => {
    signIn();
    await expect(admit(PRINCIPAL)).resolves.toBe(true);
  });
});

describe('a route that requires a second factor', () => {
  beforeEach(() => mfa.enroll('ann'));
  const at = (ms: number) => new Date(mfa.clock.nowMs() + ms);

  it.each([
    ['now', 0, ['pwd', 'mfa']],
    ['years ago', -(10 ** 11), ['mfa']],
    ['where the host keeps no amr', 0, undefined],
    ['where the amr of the host is null', 0, null],
    ['by a clock a minute ahead', 60_000, ['mfa']],
  ])('admits a factor passed %s', async (_, ms, amr) => {
    signIn({ mfaAt: at(ms), amr });
    await expect(admit(SECOND_FACTOR)).resolves.toBe(true);
    signIn({ mfaAt: at(ms).toISOString(), amr });
    await expect(admit(SECOND_FACTOR)).resolves.toBe(true);
  });

  it.each<[string, () => object]>([
    ['is missing', () => ({ amr: ['mfa'] })],
    ['is null', () => ({ mfaAt: null, amr: ['mfa'] })],
    ['lies over a minute ahead', () => ({ mfaAt: at(60_001), amr: ['mfa'] })],
    ['comes with an amr without mfa', () => ({ mfaAt: at(0), amr: ['pwd', 'otp'] })],
    ['comes with an empty amr', () => ({ mfaAt: at(0), amr: [] })],
  ])('S45 refuses when its time %s', async (_, session) => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    signIn(session());
    await expect(admit(SECOND_FACTOR)).rejects.toMatchObject({ code: 'MFA_STEP_UP_REQUIRED', status: 401 });
    expect(warn).not.toHaveBeenCalled();
  });

  it('S45 refuses when its time comes with an amr that is text, and warns the operator once', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    signIn({ mfaAt: at(0), amr: 'mfa' });
    for (let request = 0; request < 2; request += 1) {
      await expect(admit(SECOND_FACTOR)).rejects.toMatchObject({ code: 'MFA_STEP_UP_REQUIRED', status: 401 });
    }
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/principal.*`amr`.*list of strings/));
  });

  it.each<[string, () => unknown]>([
    ['milliseconds', () => mfa.clock.nowMs()],
    ['seconds', () => Math.floor(mfa.clock.nowMs() / 1000)],
    ['text without a time zone', () => at(0).toISOString().replace('Z', '')],
    ['an invalid Date', () => at(Number.NaN)],
    ['something like a Date', () => ({ getTime: () => mfa.clock.nowMs() })],
  ])('S45 refuses a time that is %s, and warns the operator once', async (_, mfaAt) => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    signIn({ mfaAt: mfaAt(), amr: ['mfa'] });
    for (let request = 0; request < 2; request += 1) {
      await expect(admit(SECOND_FACTOR)).rejects.toMatchObject({ code: 'MFA_STEP_UP_REQUIRED' });
    }
    expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/principal.*`mfaAt`.*ISO 8601/));
  });

  it('S49 admits up to the demanded age, and refuses a millisecond later', async () => {
    const route = { ...SECOND_FACTOR, maxAgeSeconds: 300 };
    signIn({ mfaAt: at(-300_000), amr: ['mfa'] });
    await expect(admit(route)).resolves.toBe(true);
    signIn({ mfaAt: at(-300_001), amr: ['mfa'] });
    await expect(admit(route)).rejects.toMatchObject({ code: 'MFA_STEP_UP_REQUIRED' });
    await expect(admit(SECOND_FACTOR)).resolves.toBe(true);
  });
});

describe('S49 a user without an authenticator', () => {
  const OPTIONAL: MfaRoute = { kind: 'second-factor', ifEnabled: true };

  it('is refused with 403, because no step-up is possible', async () => {
    signIn();
    await expect(admit(SECOND_FACTOR)).rejects.toMatchObject({ code: 'MFA_ENROLLMENT_REQUIRED', status: 403 });
    await expect(admit({ ...SECOND_FACTOR, maxAgeSeconds: 60 })).rejects.toMatchObject({
      code: 'MFA_ENROLLMENT_REQUIRED',
    });
    expect(headersWritten()).toEqual({ 'Cache-Control': 'no-store' });
  });

  it('is admitted with ifEnabled by one read per request, for several guards too', async () => {
    const load = vi.spyOn(mfa.accounts, 'load');
    signIn();
    const context = contextOf({ headers: {} });
    await expect(admit(OPTIONAL, context)).resolves.toBe(true);
    await expect(admit(OPTIONAL, context)).resolves.toBe(true);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('S43a is nobody whose authenticator is locked, disabled or unreadable', async () => {
    const { id } = await mfa.enroll('ann', { secret: 'unreadable' });
    await mfa.authenticators.collectAfter('ann', [id], 0);
    signIn();
    await expect(admit(OPTIONAL)).rejects.toMatchObject({ code: 'MFA_STEP_UP_REQUIRED' });
  });

  it('S45 is nobody whose account cannot be read', async () => {
    signIn();
    const load = vi.spyOn(mfa.accounts, 'load');
    for (const account of [undefined, {}, { account: {} }]) {
      load.mockResolvedValueOnce(account as never);
      await expect(admit(OPTIONAL)).rejects.toBeInstanceOf(TypeError);
    }
    load.mockRejectedValueOnce(new Error('the database is down'));
    await expect(admit(OPTIONAL)).rejects.toThrow('the database is down');
  });

  it('is required to be signed in with ifEnabled too', async () => {
    await expect(admit(OPTIONAL)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });
});

describe('S45 a principal() that throws nothing', () => {
  it.each([undefined, null])('refuses when it throws %s', async (nothing) => {
    mfa.host.principal = () => Promise.reject<never>(nothing);
    await expect(admit(PRINCIPAL)).rejects.toMatchObject({ code: 'MFA_MISCONFIGURED', status: 500 });
  });
});

describe('S49 a refusal', () => {
  const STEP_UP =
    'Bearer error="insufficient_user_authentication", error_description="A more recent second factor is required"';

  it.each([
    [undefined, STEP_UP],
    [300, `${STEP_UP}, max_age="300"`],
  ])('writes the headers of RFC 9470 for an age of %s', async (maxAgeSeconds, challenge) => {
    await mfa.enroll('ann');
    signIn();
    await expect(admit({ ...SECOND_FACTOR, maxAgeSeconds })).rejects.toThrow();
    expect(setHeader.mock.calls.every(([given]) => given === response)).toBe(true);
    expect(headersWritten()).toEqual({ 'Cache-Control': 'no-store', 'WWW-Authenticate': challenge });
  });

  it('S46 writes no headers over another transport, and refuses all the same', async () => {
    await expect(admit(SECOND_FACTOR, contextOf({}, 'graphql'))).rejects.toMatchObject({
      code: 'MFA_NOT_AUTHENTICATED',
    });
    expect(setHeader).not.toHaveBeenCalled();
  });

  it('S45 refuses where the application has no HTTP adapter', async () => {
    access = accessOf({});
    await expect(admit(SECOND_FACTOR)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });
});
