import { DEFAULT_ATTEMPT_POLICY } from '../domain/attempts/attempt-budget.js';
import type { AttemptPolicy } from '../domain/attempts/attempt-policy.js';
import type { MfaOptions } from './mfa-options.js';
import { group, misconfigured, whole } from './option-checks.js';

/** Upper bounds. Counters are 32-bit columns, and the longest lock is added to epoch milliseconds; both stay far below their limits. */
const MOST_ATTEMPTS = 1_000_000;
const LONGEST_LOCK_SECONDS = 366 * 24 * 60 * 60;

export function resolveAttempts(given: MfaOptions['attempts']): AttemptPolicy {
  const options = group('attempts', given);
  const base = DEFAULT_ATTEMPT_POLICY;
  const attempts = (name: 'maxFailures' | 'dailyBurst' | 'dailyRefill' | 'disableAfter') =>
    whole(`attempts.${name}`, options[name], base[name], 1, MOST_ATTEMPTS);
  const seconds = (name: 'lockSeconds' | 'maxLockSeconds', fallbackMs: number) =>
    whole(`attempts.${name}`, options[name], fallbackMs / 1000, 1, LONGEST_LOCK_SECONDS) * 1000;
  const policy: AttemptPolicy = {
    maxFailures: attempts('maxFailures'),
    lockMs: seconds('lockSeconds', base.lockMs),
    maxLockMs: seconds('maxLockSeconds', base.maxLockMs),
    dailyBurst: attempts('dailyBurst'),
    dailyRefill: attempts('dailyRefill'),
    disableAfter: attempts('disableAfter'),
  };
  if (policy.lockMs > policy.maxLockMs) {
    throw misconfigured('option `attempts.lockSeconds` must not exceed `attempts.maxLockSeconds`, the longest lock');
  }
  if (policy.disableAfter < policy.maxFailures) {
    throw misconfigured('option `attempts.disableAfter` must not be below `attempts.maxFailures`, the first lock');
  }
  return policy;
}
