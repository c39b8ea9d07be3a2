import { setTimeout as sleep } from 'node:timers/promises';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';

/** How an injected fault fails. */
export type FaultMode = 'throws' | 'answers undefined' | 'hangs until a deadline';

/** Lets one method of one part fail while `fault` names it. */
export class FaultInjection {
  /** What fails, and how. `null` = nothing. */
  fault: { part: string; method: string; mode: FaultMode } | null = null;
  /** How often the fault was met. */
  struck = 0;

  makeBreakable(instance: object, part: string, method: string): void {
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
    return sleep(100).then(() => Promise.reject(new MfaError('MFA_BUSY', { retryAfterSeconds: 1 })));
  }
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
