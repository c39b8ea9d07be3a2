import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Injectable, type DynamicModule, type Type } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MfaEvent } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

interface EmitterPackage {
  EventEmitterModule: { forRoot(options?: { wildcard?: boolean; delimiter?: string }): DynamicModule };
  EventEmitter2: Type<{
    on(type: string, listener: (event: MfaEvent) => unknown): void;
    onAny(listener: (type: string, event: MfaEvent) => unknown): void;
  }>;
  OnEvent(type: string, options?: { suppressErrors?: boolean }): MethodDecorator;
}
const { EventEmitterModule, EventEmitter2, OnEvent } = await vi.importActual<EmitterPackage>('@nestjs/event-emitter');

const CHANNEL = 'nestjs-mfa:event';
const typesOf = (events: readonly MfaEvent[]) => events.map(({ type }) => type);

/** The events of an enrollment and a login. */
const EXPECTED = [
  'mfa.verification.succeeded',
  'mfa.setup.started',
  'mfa.verification.succeeded',
  'mfa.authenticator.confirmed',
  'mfa.challenge.issued',
  'mfa.verification.succeeded',
];

/** Enrolls, signs in, and expects both to succeed. */
async function enrollAndSignIn(host: HostApp, userId = 'ann'): Promise<void> {
  const user = new Client(host, userId);
  const { authenticator } = await user.enroll();
  host.clock.advance(60);
  await user.verify(await user.login(), authenticator.code()).expect(200);
}

let host: HostApp | undefined;
const unhandled = vi.fn<(error: unknown) => void>();
beforeEach(() => {
  unhandled.mockReset();
  process.on('unhandledRejection', unhandled);
});
afterEach(async () => {
  process.off('unhandledRejection', unhandled);
  await host?.close();
  host = undefined;
  expect(unhandled).not.toHaveBeenCalled();
});

describe('the event emitter of the application', () => {
  it('receives every event under its type, and @OnEvent with a wildcard hears all of them', async () => {
    const heard: MfaEvent[] = [];
    const confirmed: MfaEvent[] = [];
    @Injectable()
    class Listener {
      @OnEvent('mfa.**')
      all(event: MfaEvent) {
        heard.push(event);
      }
      @OnEvent('mfa.authenticator.confirmed')
      one(event: MfaEvent) {
        confirmed.push(event);
      }
    }
    const imports = [EventEmitterModule.forRoot({ wildcard: true })];
    host = await startHostApp({ options: FEW_CODES, imports, providers: [Listener] });
    await enrollAndSignIn(host);
    await vi.waitFor(() => expect(typesOf(heard)).toEqual(EXPECTED));
    expect(heard).toEqual(host.state.events);
    expect(typesOf(confirmed)).toEqual(['mfa.authenticator.confirmed']);
  });

  it('receives events where the host has no notify()', async () => {
    @Injectable()
    class QuietHost extends TestHost {}
    Object.defineProperty(QuietHost.prototype, 'notify', { value: undefined });
    host = await startHostApp({ options: FEW_CODES, host: QuietHost, imports: [EventEmitterModule.forRoot()] });
    const heard: string[] = [];
    host.app.get(EventEmitter2, { strict: false }).onAny((type) => heard.push(type));
    await enrollAndSignIn(host);
    await vi.waitFor(() => expect(heard).toEqual(EXPECTED));
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('code 123456');
      },
    ],
    ['rejects', () => Promise.reject(new Error('code 123456'))],
    ['hangs', () => new Promise(() => undefined)],
  ])('S122 changes and delays nothing where a listener %s, and notify() gets every event', async (_, fail) => {
    const heard: string[] = [];
    @Injectable()
    class Listener {
      /** `suppressErrors: false` passes the error on to the emitter. */
      @OnEvent('mfa.**', { suppressErrors: false })
      failing({ type }: MfaEvent) {
        heard.push(type);
        return fail();
      }
    }
    const imports = [EventEmitterModule.forRoot({ wildcard: true })];
    host = await startHostApp({ options: FEW_CODES, imports, providers: [Listener] });
    await enrollAndSignIn(host);
    await vi.waitFor(() => expect(heard).toEqual(EXPECTED));
    expect(typesOf(host.state.events)).toEqual(EXPECTED);
  });

  it('S122 changes nothing where a listener that the emitter calls directly throws', async () => {
    host = await startHostApp({ options: FEW_CODES, imports: [EventEmitterModule.forRoot()] });
    const fail = vi.fn<() => never>(() => {
      throw new Error('code 123456');
    });
    host.app.get(EventEmitter2, { strict: false }).onAny(fail);
    await enrollAndSignIn(host);
    await vi.waitFor(() => expect(fail).toHaveBeenCalledTimes(EXPECTED.length));
    expect(typesOf(host.state.events)).toEqual(EXPECTED);
  });
});

describe('the diagnostics channel', () => {
  it('publishes every event while somebody subscribes, and nothing after', async () => {
    const heard: MfaEvent[] = [];
    const listener = (event: unknown) => void heard.push(event as MfaEvent);
    host = await startHostApp({ options: FEW_CODES });
    subscribe(CHANNEL, listener);
    await enrollAndSignIn(host);
    await vi.waitFor(() => expect(heard).toEqual(host!.state.events));
    expect(typesOf(heard)).toEqual(EXPECTED);
    unsubscribe(CHANNEL, listener);
    await enrollAndSignIn(host, 'ben');
    expect(heard).toHaveLength(EXPECTED.length);
  });

  it('S122 changes no outcome where a subscriber throws: Node.js reports it as an uncaught exception', async () => {
    const others = process.listeners('uncaughtException');
    const uncaught = vi.fn<(error: unknown) => void>();
    const listener = () => {
      throw new Error('a broken monitor');
    };
    process.removeAllListeners('uncaughtException').on('uncaughtException', uncaught);
    subscribe(CHANNEL, listener);
    try {
      host = await startHostApp({ options: FEW_CODES });
      await enrollAndSignIn(host);
      await vi.waitFor(() => expect(uncaught).toHaveBeenCalledTimes(EXPECTED.length));
      expect(typesOf(host.state.events)).toEqual(EXPECTED);
    } finally {
      unsubscribe(CHANNEL, listener);
      process.removeAllListeners('uncaughtException');
      for (const each of others) process.on('uncaughtException', each);
    }
  });
});

describe('notify() of the host', () => {
  it.each<[string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('code 123456');
      },
    ],
    ['rejects', () => Promise.reject(new Error('code 123456'))],
    ['hangs', () => new Promise(() => undefined)],
  ])('S122 changes and delays nothing where it %s, and the event emitter gets every event', async (_, notify) => {
    @Injectable()
    class FailingHost extends TestHost {
      override notify(): never {
        return notify() as never;
      }
    }
    host = await startHostApp({ options: FEW_CODES, host: FailingHost, imports: [EventEmitterModule.forRoot()] });
    const heard: string[] = [];
    host.app.get(EventEmitter2, { strict: false }).onAny((type) => heard.push(type));
    await enrollAndSignIn(host);
    await vi.waitFor(() => expect(heard).toEqual(EXPECTED));
  });
});
