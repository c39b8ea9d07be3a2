import type { AttemptBudget, AttemptPolicy } from './attempt-policy.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** 5 failures lock for 15 minutes, doubling up to 24 hours; at most 20 failures a day; 100 in a row disable (NIST SP 800-63B-4 §3.2.2). */
// S54
export const DEFAULT_ATTEMPT_POLICY: Readonly<AttemptPolicy> = Object.freeze({
  maxFailures: 5,
  lockMs: 15 * 60 * 1000,
  maxLockMs: DAY_MS,
  dailyBurst: 10,
  dailyRefill: 10,
  disableAfter: 100,
});

/** A budget without failures, lock and used attempts. */
export const EMPTY_BUDGET: Readonly<AttemptBudget> = Object.freeze({ failures: 0, lockedUntilMs: 0, dailyTatMs: 0 });

/** One step of the lock ladder: the lock that begins when `failures` reaches `atFailures`. */
export interface LockRung {
  atFailures: number;
  lockMs: number;
}

/**
 * The growing locks, up to and including the first one of `maxLockMs`. Every further multiple of `maxFailures` locks for
 * `maxLockMs`. The stores write the same ladder in SQL.
 */
export function lockLadder({ maxFailures, lockMs, maxLockMs }: AttemptPolicy): LockRung[] {
  const ladder = [{ atFailures: maxFailures, lockMs }];
  for (let length = lockMs; length < maxLockMs;) {
    length = Math.min(length * 2, maxLockMs);
    ladder.push({ atFailures: (ladder.length + 1) * maxFailures, lockMs: length });
  }
  return ladder;
}

/** Length in milliseconds of the lock that begins at exactly this number of failures. 0 = no lock. */
export function lockMsAt(failures: number, policy: AttemptPolicy): number {
  if (failures <= 0 || failures % policy.maxFailures !== 0) return 0;
  const rung = lockLadder(policy).find(({ atFailures }) => atFailures === failures);
  return rung?.lockMs ?? policy.maxLockMs;
}

/** Milliseconds until the daily cap gets one attempt back. Rounded up, so that a day never has one attempt too many. */
export function dailyInterval({ dailyRefill }: AttemptPolicy): number {
  return Math.ceil(DAY_MS / dailyRefill);
}

/** Milliseconds by which `dailyTatMs` may be later than now: the burst tolerance of GCRA. */
export function dailyTolerance(policy: AttemptPolicy): number {
  return (policy.dailyBurst - 1) * dailyInterval(policy);
}

/**
 * Counts one more attempt as failed, before it is evaluated. Returns `null` if no attempt is allowed now: the factor is
 * locked, over the daily cap, or disabled.
 */
// S50
export function reserveBudget(budget: AttemptBudget, policy: AttemptPolicy, nowMs: number): AttemptBudget | null {
  if (retryAfterSeconds(budget, policy, nowMs) !== null) return null;
  const failures = budget.failures + 1;
  const lockMs = lockMsAt(failures, policy);
  // `>=` would be the same: a `dailyTatMs` of exactly that is over the daily cap, and was refused above.
  const dailyTatMs = budget.dailyTatMs > latestTat(policy, nowMs) ? nowMs : Math.max(budget.dailyTatMs, nowMs);
  return {
    failures,
    lockedUntilMs: lockMs > 0 ? nowMs + lockMs : 0,
    dailyTatMs: dailyTatMs + dailyInterval(policy),
  };
}

/**
 * The latest plausible end of a lock, in epoch milliseconds, with some tolerance for clock skew. A later end was written
 * by a wrong clock and is ignored. Otherwise a wrong clock could lock a user for a year.
 */
// S54
export function latestLock({ maxLockMs }: AttemptPolicy, nowMs: number): number {
  return nowMs + 2 * maxLockMs;
}

/** Like {@link latestLock}, for `dailyTatMs`. */
export function latestTat(policy: AttemptPolicy, nowMs: number): number {
  return nowMs + policy.dailyBurst * dailyInterval(policy) + policy.maxLockMs;
}

/** The budget after a success that was reserved: no failures, no lock, and the attempt is given back to the daily cap. */
// S54
export function settleBudget(budget: AttemptBudget, policy: AttemptPolicy): AttemptBudget {
  return { failures: 0, lockedUntilMs: 0, dailyTatMs: refundedTat(budget, policy) };
}

/**
 * Whole seconds until the next attempt is allowed, at least 1. `null` = now. For a disabled factor, which only a person
 * can enable, it returns the longest lock.
 */
// S57
export function retryAfterSeconds(budget: AttemptBudget, policy: AttemptPolicy, nowMs: number): number | null {
  if (budget.failures >= policy.disableAfter) return wholeSeconds(policy.maxLockMs);
  const lockedUntilMs = budget.lockedUntilMs > latestLock(policy, nowMs) ? 0 : budget.lockedUntilMs;
  const dailyTatMs = budget.dailyTatMs > latestTat(policy, nowMs) ? 0 : budget.dailyTatMs;
  const openAtMs = Math.max(lockedUntilMs, dailyTatMs - dailyTolerance(policy));
  return openAtMs > nowMs ? wholeSeconds(openAtMs - nowMs) : null;
}

/**
 * Takes back one reservation, because the code was not evaluated, or was right but already spent.
 *
 * A lock that this reservation caused ends. A lock begins at a multiple of `maxFailures` and allows no further
 * reservation, so the open one is among those that caused it. There is one exception: a success in between sets the
 * failures to 0, and an older reservation then ends a later lock early. That allows fewer than `maxFailures` further
 * attempts, and the daily cap still counts them.
 */
// S70
export function releaseBudget(budget: AttemptBudget, policy: AttemptPolicy): AttemptBudget {
  const countedByLock = budget.failures % policy.maxFailures === 0;
  return {
    failures: Math.max(0, budget.failures - 1),
    lockedUntilMs: countedByLock ? 0 : budget.lockedUntilMs,
    dailyTatMs: refundedTat(budget, policy),
  };
}

/** The budget after the secret or the codes were replaced: no failures and no lock. The daily cap stays. */
// S51
export function endFailures(budget: AttemptBudget): AttemptBudget {
  return { failures: 0, lockedUntilMs: 0, dailyTatMs: budget.dailyTatMs };
}

/** `dailyTatMs` with one attempt given back. Call it once, for an attempt that was reserved. */
function refundedTat({ dailyTatMs }: AttemptBudget, policy: AttemptPolicy): number {
  return Math.max(0, dailyTatMs - dailyInterval(policy));
}

function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
