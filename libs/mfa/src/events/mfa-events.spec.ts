import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, type ExecutionContext } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { MfaHost } from '../host/mfa-host.js';
import type { MfaEvent } from '../host/mfa-event.js';

const context = {} as ExecutionContext;
const settled = () => new Promise((resolve) => setImmediate(resolve));

let mfa: InMemoryMfa;
beforeEach(() => void (mfa = inMemoryMfa()));
afterEach(() => vi.restoreAllMocks());

const at = () => new Date(mfa.clock.nowMs());
const change = { type: 'mfa.disabled', userId: 'ann' } as const;

describe('an event', () => {
  it('S65 has the owner as actor unless another is given, and the time', async () => {
    mfa.events.emit({ type: 'mfa.challenge.issued', userId: 'ann' });
    mfa.events.emit({ type: 'mfa.unlocked', userId: 'ann', actor: { type: 'admin', id: 'bob' } });
    await settled();
    expect(mfa.told).toEqual([
      { type: 'mfa.challenge.issued', userId: 'ann', actor: { type: 'user', id: 'ann' }, at: at() },
      { type: 'mfa.unlocked', userId: 'ann', actor: { type: 'admin', id: 'bob' }, at: at() },
    ]);
  });

  it('carries what requestInfo() returns as strings, where it belongs to a request', async () => {
    mfa.host.requestInfo = () => ({ requestId: 'r1', ip: '203.0.113.7', userAgent: 12, token: 'x' }) as never;
    mfa.events.emit({ type: 'mfa.challenge.issued', userId: 'ann' }, context);
    mfa.events.emit({ type: 'mfa.challenge.issued', userId: 'ann' });
    await settled();
    const actor = { type: 'user', id: 'ann' };
    const event = { type: 'mfa.challenge.issued', userId: 'ann', actor, at: at() };
    expect(mfa.told).toEqual([{ ...event, requestId: 'r1', ip: '203.0.113.7' }, event]);
  });

  it.each<[string, () => never | null | undefined]>([
    [
      'throws',
      () => {
        throw new Error('no request');
      },
    ],
    ['returns null', () => null],
    ['returns undefined', () => undefined],
    ['returns a promise', () => Promise.resolve({ ip: '203.0.113.7' }) as never],
    ['returns a promise that is rejected', () => Promise.reject(new Error('no request')) as never],
  ])('S65 is delivered where requestInfo() %s, and nothing ends the process', async (_, requestInfo) => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const unhandled = vi.fn<(error: unknown) => void>();
    process.once('unhandledRejection', unhandled);
    mfa.host.requestInfo = requestInfo;
    mfa.events.emit({ type: 'mfa.challenge.issued', userId: 'ann' }, context);
    await settled();
    await sleep(1);
    process.off('unhandledRejection', unhandled);
    expect(mfa.told).toHaveLength(1);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it.each<[string, (event: MfaEvent) => Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('code 123456');
      },
    ],
    ['rejects', () => Promise.reject(new Error('code 123456'))],
    ['never returns', () => new Promise(() => undefined)],
  ])(
    'S65 S64 changes and delays nothing where notify() %s, and its message stays out of the log',
    async (_, notify) => {
      const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
      mfa.host.notify = notify;
      mfa.host.revokeSessions = () => 'session';
      await expect(mfa.events.changed(change, { enabled: false })).resolves.toBe('session');
      await settled();
      expect(JSON.stringify(error.mock.calls)).not.toContain('123456');
    },
  );
});

describe('a change', () => {
  it('S60 calls revokeSessions with type, user, session and whether MFA is still enabled, and the context', async () => {
    const revokeSessions = vi.fn<NonNullable<MfaHost['revokeSessions']>>();
    mfa.host.revokeSessions = revokeSessions;
    await mfa.events.changed(change, { enabled: false, sessionId: 's1', context });
    await mfa.events.changed({ type: 'mfa.reset', userId: 'ann' }, { enabled: false });
    expect(revokeSessions.mock.calls).toEqual([
      [{ type: 'mfa.disabled', userId: 'ann', sessionId: 's1', enabled: false }, context],
      [{ type: 'mfa.reset', userId: 'ann', enabled: false }, undefined],
    ]);
  });

  it.each<[string, unknown, unknown]>([
    ['a session', { accessToken: 'new' }, { accessToken: 'new' }],
    ['a promise of one', Promise.resolve('new'), 'new'],
    ['nothing', undefined, undefined],
    ['null', null, undefined],
  ])('S72 returns what revokeSessions returns: %s', async (_, returned, session) => {
    mfa.host.revokeSessions = () => returned;
    await expect(mfa.events.changed(change, { enabled: false })).resolves.toEqual(session);
  });

  it('is delivered where the host has no revokeSessions', async () => {
    await expect(mfa.events.changed(change, { enabled: false })).resolves.toBeUndefined();
    await settled();
    expect(mfa.told).toMatchObject([{ type: 'mfa.disabled' }]);
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('code 123456');
      },
    ],
    ['rejects', () => Promise.reject(new Error('code 123456'))],
  ])(
    'S39 S60 does not throw where revokeSessions %s: the change is made, and the operator is told',
    async (_, hook) => {
      const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
      mfa.host.revokeSessions = hook;
      await expect(mfa.events.changed(change, { enabled: false })).resolves.toBeUndefined();
      expect(error).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/revokeSessions failed after mfa.disabled/));
      expect(JSON.stringify(error.mock.calls)).not.toContain('123456');
    },
  );

  it('S39 S60 does not throw where reading notify does, and revokeSessions is called', async () => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const revoked: unknown[] = [];
    mfa.host.revokeSessions = (ended) => void revoked.push(ended);
    Object.defineProperty(mfa.host, 'notify', {
      get: () => {
        throw new Error('a proxied host');
      },
    });
    await expect(mfa.events.changed(change, { enabled: false })).resolves.toBeUndefined();
    expect(revoked).toHaveLength(1);
  });
});
