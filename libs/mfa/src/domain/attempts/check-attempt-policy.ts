import { MfaError } from '../mfa-error.js';
import type { AttemptPolicy } from './attempt-policy.js';

/** Counters are 32-bit columns and locks are added to epoch milliseconds: far below either's limit. */
const MOST: Readonly<Record<keyof AttemptPolicy, number>> = {
  maxFailures: 1_000_000,
  lockMs: 366 * 24 * 60 * 60 * 1000,
  maxLockMs: 366 * 24 * 60 * 60 * 1000,
  dailyBurst: 1_000_000,
  dailyRefill: 1_000_000,
  disableAfter: 1_000_000,
};

/** Throws `MFA_MISCONFIGURED`, naming `<optionName>.<field>` and what it must be, for a policy that makes no sense. */
export function checkAttemptPolicy(policy: AttemptPolicy, optionName: string): void {
  for (const [field, most] of Object.entries(MOST) as [keyof AttemptPolicy, number][]) {
    const value: unknown = policy[field];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > most) {
      throw misconfigured(`${optionName}.${field} must be a whole number from 1 to ${most}`);
    }
  }
  if (policy.lockMs > policy.maxLockMs) {
    throw misconfigured(`${optionName}.lockMs must not exceed ${optionName}.maxLockMs, the longest lock`);
  }
  if (policy.disableAfter < policy.maxFailures) {
    throw misconfigured(`${optionName}.disableAfter must not be below ${optionName}.maxFailures, the first lock`);
  }
}

function misconfigured(message: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', { message });
}
