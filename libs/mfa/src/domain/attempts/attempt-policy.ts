/**
 * The counters of failed attempts. `password` counts passwords before the first enrollment, and `confirmation` counts
 * first codes of a pending setup. They are separate, so that they cannot lock a sign-in factor. `other` is the budget that
 * all factors of the host share. `recovery_code` counts recovery codes, which an administrator issues.
 */
export const ATTEMPT_FACTORS = ['totp', 'backup_code', 'password', 'confirmation', 'other', 'recovery_code'] as const;
export type AttemptFactor = (typeof ATTEMPT_FACTORS)[number];

/** One factor's attempt counters, as columns of the account row. */
export interface AttemptBudget {
  /** Failures in a row and open reservations since the last success. */
  failures: number;
  /** Until this time, in epoch milliseconds, no attempt is allowed. 0 = not locked. */
  lockedUntilMs: number;
  /** The rolling daily cap in one column: the theoretical arrival time (TAT) of GCRA, in epoch milliseconds. */
  dailyTatMs: number;
}

/** Limits of failed attempts per user and factor (NIST SP 800-63B-4 §3.2.2). */
// S54
export interface AttemptPolicy {
  /** Failures in a row before a lock. */
  maxFailures: number;
  /** Milliseconds of the first lock. Every further `maxFailures` failures in a row double it. */
  lockMs: number;
  /** Milliseconds of the longest lock. */
  maxLockMs: number;
  /** Failures that a user can make at once, without waiting for `dailyRefill`. */
  dailyBurst: number;
  /** Failures that become possible again per day. Any 24 hours have at most `dailyBurst + dailyRefill` failures. */
  dailyRefill: number;
  /** Failures in a row that disable the factor until the user re-enrolls or an administrator unlocks it. MFA stays required. */
  disableAfter: number;
}
