import { setTimeout as sleep } from 'node:timers/promises';
import type { Response } from 'supertest';
import { expect } from 'vitest';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import type { HostApp } from './host-app.js';

/** How an injected fault fails. */
export type FaultMode = 'throws' | 'answers undefined' | 'hangs until a deadline';

/** What fails, and how. */
export interface Fault {
  part: string;
  method: string;
  mode: FaultMode;
}

/**
 * One line of a list of faults. `undefined` is a fault only where something is answered, and a synchronous method cannot
 * hang.
 */
export type FaultLine<Part extends string, Flow extends string> = readonly [
  part: Part,
  method: string,
  flow: Flow,
  modes?: 'or undefined' | 'is synchronous',
];

/** Each fault in each of its modes. */
export const faultCases = <Part extends string, Flow extends string>(lines: readonly FaultLine<Part, Flow>[]) =>
  lines.flatMap(([part, method, flow, modes]) =>
    (['throws', 'hangs until a deadline', 'answers undefined'] as const)
      .filter(
        (mode) =>
          mode === 'throws' || (mode === 'answers undefined' ? modes !== undefined : modes !== 'is synchronous'),
      )
      .map((mode) => ({ part, method, flow, mode })),
  );

/** What a response has that accepts something. */
const ACCEPTED = ['accessToken', 'backupCodes', 'options', 'removed', 'session', 'mfaAt', 'transferred'];

/** Lets one method of one part of an application fail, and notes rejections that nobody handled. */
export class FaultInjection {
  readonly unhandled: unknown[] = [];
  private fault: Fault | null = null;
  private struck = 0;
  private readonly note = (reason: unknown) => void this.unhandled.push(reason);

  /** Makes the methods of these lines breakable. */
  install<Part extends string>(
    { app }: HostApp,
    parts: Record<Part, unknown>,
    lines: readonly FaultLine<Part, string>[],
  ): void {
    process.on('unhandledRejection', this.note);
    for (const [part, method] of lines) {
      this.makeBreakable(app.get<object>(parts[part] as never, { strict: false }), part, method);
    }
  }

  close(): void {
    process.off('unhandledRejection', this.note);
  }

  /** Ends what an earlier test left. */
  reset(): void {
    this.fault = null;
    this.struck = 0;
    this.unhandled.length = 0;
  }

  /** The response while the fault is on. It must meet the fault, and accept nothing. */
  async expectRefusal(fault: Fault, act: () => PromiseLike<Response>): Promise<Response> {
    this.fault = fault;
    const response = await act();
    this.fault = null;
    expect(this.struck, 'the fault was met').toBeGreaterThan(0);
    expect(response.status).toBeGreaterThanOrEqual(400);
    for (const field of ACCEPTED) expect(response.body).not.toHaveProperty(field);
    if (fault.mode === 'hangs until a deadline') expect(response.status).toBe(503);
    return response;
  }

  private makeBreakable(instance: object, part: string, method: string): void {
    if (Object.hasOwn(instance, method)) return;
    const real = (Reflect.get(instance, method) as (...args: unknown[]) => unknown).bind(instance);
    const breakable = (...args: unknown[]) =>
      this.fault?.part === part && this.fault.method === method ? this.fail(this.fault.mode) : real(...args);
    Object.defineProperty(instance, method, { value: breakable, configurable: true });
  }

  private fail(mode: FaultMode): unknown {
    this.struck += 1;
    if (mode === 'throws') throw new Error('injected fault');
    if (mode === 'answers undefined') return undefined;
    return sleep(20).then(() => Promise.reject(new MfaError('MFA_BUSY', { retryAfterSeconds: 1 })));
  }
}
