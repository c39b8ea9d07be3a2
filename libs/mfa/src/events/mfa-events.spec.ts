import { setTimeout as sleep } from 'node:timers/promises';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Logger, type ExecutionContext } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { MfaHost } from '../host/mfa-host.js';
import type { MfaEvent } from '../host/mfa-event.js';
import { MfaEvents } from './mfa-events.js';

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

  it.each<[string, given: string, kept: string]>([
    ['at 255 characters', 'x'.repeat(16_000), 'x'.repeat(255)],
    ['without half of a pair at the end', `${'x'.repeat(254)}😀`, 'x'.repeat(254)],
    ['with a pair that fits', `${'x'.repeat(253)}😀`, `${'x'.repeat(253)}😀`],
    ['with a replacement for half of a pair', `a\uDC00b`, 'a\uFFFDb'],
  ])('S121 cuts each text of requestInfo() %s, so that no row is long', async (_, given, kept) => {
    mfa.host.requestInfo = () => ({ requestId: given, ip: given, userAgent: given });
    mfa.events.emit({ type: 'mfa.challenge.issued', userId: 'ann' }, context);
    await settled();
    expect(mfa.told).toMatchObject([{ requestId: kept, ip: kept, userAgent: kept }]);
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

describe('a listener that changes its event', () => {
  const redact = (given: unknown) => {
    const event = given as Partial<MfaEvent> & { authenticator: { name: string; createdAt: Date } };
    delete event.userId;
    event.authenticator.name = 'redacted';
    event.authenticator.createdAt.setTime(0);
  };

  it('S122 changes it neither for another listener nor for the flow', async () => {
    const seen: unknown[] = [];
    const listen = (given: unknown) => {
      seen.push(structuredClone(given));
      redact(given);
    };
    const emitter = { emitAsync: async (_: string, event: object) => listen(event) };
    const module = { name: 'EventEmitterModule', providers: new Map([['emitter', { instance: emitter }]]) };
    const modules = new Map([['events', module]]) as unknown as ModulesContainer;
    const events = new MfaEvents(mfa.hostAccess, mfa.clock, modules);
    events.onModuleInit();
    mfa.host.notify = listen;
    subscribe('nestjs-mfa:event', listen);
    const authenticator = { id: '1', type: 'totp', name: 'phone', createdAt: new Date(7) };
    await events.changed({ ...change, authenticator }, { enabled: false });
    await settled();
    unsubscribe('nestjs-mfa:event', listen);
    const event = { ...change, authenticator, actor: { type: 'user', id: 'ann' }, at: at() };
    expect(seen).toEqual([event, event, event]);
    expect(authenticator).toEqual({ id: '1', type: 'totp', name: 'phone', createdAt: new Date(7) });
  });
});

describe('an error without a readable name', () => {
  const hostile = () =>
    Object.defineProperty(new Error('code 123456'), 'name', {
      get: () => {
        throw new Error('no name');
      },
    });

  it.each<[string, (fail: () => never) => void]>([
    ['notify', (fail) => void (mfa.host.notify = fail)],
    ['revokeSessions', (fail) => void (mfa.host.revokeSessions = fail)],
    ['requestInfo', (fail) => void (mfa.host.requestInfo = fail)],
  ])('S122 that %s throws neither breaks the change nor ends the process', async (_, failBy) => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const unhandled = vi.fn<(error: unknown) => void>();
    process.on('unhandledRejection', unhandled);
    failBy(() => {
      throw hostile();
    });
    await expect(mfa.events.changed(change, { enabled: false, context })).resolves.toBeUndefined();
    await settled();
    await settled();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
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

describe('refusals that were held back', () => {
  const refuse = (userId: string) => {
    const refusal = { type: 'mfa.verification.failed', userId, failure: 'malformed' } as const;
    for (let sent = 0; sent < 22; sent += 1) mfa.events.refused(refusal);
  };
  const counts = () => mfa.told.flatMap((each) => ('count' in each ? [[each.userId, each.count]] : []));

  it('S65 are events when the application closes', async () => {
    refuse('ann');
    await mfa.events.flush();
    expect(counts()).toEqual([['ann', 2]]);
  });

  it('are no event of a user who was purged, because it would hold the user id', async () => {
    refuse('ann');
    refuse('bob');
    const purged = { type: 'mfa.user.purged', userId: 'ann' } as const;
    // Requests may be refused while the purge runs.
    await mfa.events.aroundPurge(purged, async () => refuse('ann'));
    await mfa.events.flush();
    expect(counts()).toEqual([['bob', 2]]);
  });
});
