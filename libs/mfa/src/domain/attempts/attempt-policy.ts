/**
 * What an attempt is counted against. `password` guards the first enrollment's password proof and
 * `confirmation` the first code of a pending secret, so that neither can lock a sign-in factor.
 */
export const ATTEMPT_FACTORS = ['totp', 'backup_code', 'password', 'confirmation'] as const;
export type AttemptFactor = (typeof ATTEMPT_FACTORS)[number];

/** One factor's attempt counters, as columns of the account row. */
export interface AttemptBudget {
  /** Consecutive failures and open reservations since the last success. */
  failures: number;
  /** Epoch milliseconds until which nothing is evaluated; 0 = not locked. */
  lockedUntilMs: number;
  /** GCRA theoretical arrival time in epoch milliseconds: the rolling daily cap in one column. */
  dailyTatMs: number;
}

/** How many guesses a factor stands, per user (NIST SP 800-63B-4 §3.2.2). */
// S54
export interface AttemptPolicy {
  /** Consecutive failures before a lock. */
  maxFailures: number;
  /** Length of the first lock; every further `maxFailures` failures double it. */
  lockMs: number;
  /** The longest lock. */
  maxLockMs: number;
  /** Failures that may come at once within a day. */
  dailyBurst: number;
  /** Failures a day that flow back. Any 24 hours see at most `dailyBurst + dailyRefill` evaluated failures. */
  dailyRefill: number;
  /** Failures in a row that disable the factor until the user re-enrolls or an administrator unlocks it. MFA stays required. */
  disableAfter: number;
}
