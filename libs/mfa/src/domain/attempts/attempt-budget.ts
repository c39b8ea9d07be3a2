import type { AttemptBudget, AttemptPolicy } from './attempt-policy.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** 5 failures, then 15 minutes doubling to 24 hours; 20 a day; disabled after 100 (NIST SP 800-63B-4 §3.2.2). */
// S54
export const DEFAULT_ATTEMPT_POLICY: Readonly<AttemptPolicy> = Object.freeze({
  maxFailures: 5,
  lockMs: 15 * 60 * 1000,
  maxLockMs: DAY_MS,
  dailyBurst: 10,
  dailyRefill: 10,
  disableAfter: 100,
});

/** A budget that nothing was taken from. */
export const EMPTY_BUDGET: Readonly<AttemptBudget> = Object.freeze({ failures: 0, lockedUntilMs: 0, dailyTatMs: 0 });

/** One rung: the lock that begins when `failures` reaches `atFailures`. */
export interface LockRung {
  atFailures: number;
  lockMs: number;
}

/**
 * The locks that grow, up to and including the first of `maxLockMs`; every further multiple of
 * `maxFailures` locks for `maxLockMs`. Stores spell the same ladder in SQL.
 */
export function lockLadder({ maxFailures, lockMs, maxLockMs }: AttemptPolicy): LockRung[] {
  const ladder = [{ atFailures: maxFailures, lockMs }];
  for (let length = lockMs; length < maxLockMs;) {
    length = Math.min(length * 2, maxLockMs);
    ladder.push({ atFailures: (ladder.length + 1) * maxFailures, lockMs: length });
  }
  return ladder;
}

/** The lock in milliseconds that begins with exactly so many failures; 0 = none. */
export function lockMsAt(failures: number, policy: AttemptPolicy): number {
  if (failures <= 0 || failures % policy.maxFailures !== 0) return 0;
  const rung = lockLadder(policy).find(({ atFailures }) => atFailures === failures);
  return rung?.lockMs ?? policy.maxLockMs;
}

/** Milliseconds in which one attempt of the daily cap flows back; rounded up, so that a day never sees one too many. */
export function dailyInterval({ dailyRefill }: AttemptPolicy): number {
  return Math.ceil(DAY_MS / dailyRefill);
}

/** How far in milliseconds `dailyTatMs` may lie ahead of now: the burst tolerance of GCRA. */
export function dailyTolerance(policy: AttemptPolicy): number {
  return (policy.dailyBurst - 1) * dailyInterval(policy);
}

/**
 * The budget with one more attempt counted as failed, before it is evaluated, or `null` when
 * nothing may be evaluated now: locked, over the daily cap, or disabled.
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
 * The latest lock, in epoch milliseconds, that a clock somewhat ahead of this one can have written. A later one was
 * written by a clock that was plainly wrong, and counts for nothing: nobody is locked out for a year.
 */
// S54
export function latestLock({ maxLockMs }: AttemptPolicy, nowMs: number): number {
  return nowMs + 2 * maxLockMs;
}

/** The same for `dailyTatMs`. */
export function latestTat(policy: AttemptPolicy, nowMs: number): number {
  return nowMs + policy.dailyBurst * dailyInterval(policy) + policy.maxLockMs;
}

/** The budget after a success that was reserved: failures and lock end, and the daily cap gets its attempt back. */
// S54
export function settleBudget(budget: AttemptBudget, policy: AttemptPolicy): AttemptBudget {
  return { failures: 0, lockedUntilMs: 0, dailyTatMs: refundedTat(budget, policy) };
}

/**
 * Seconds until the next attempt would be evaluated, whole and at least 1; `null` = now. A disabled
 * factor waits for a person, so it answers with the longest lock.
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
 * The budget without one open reservation: the code was not evaluated, or it was right and already spent.
 * A lock that began because this reservation was counted ends: a lock begins at a multiple of `maxFailures` and admits no
 * further reservation, so an open one is among those that it counted. One exception is left: a success in between sets
 * the failures to 0, and a reservation that is still open then ends a later lock early. That allows fewer than
 * `maxFailures` further attempts, which the daily cap still counts.
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

/** The budget after its secret or codes were replaced: failures and lock end, the daily cap gets nothing back. */
// S51
export function endFailures(budget: AttemptBudget): AttemptBudget {
  return { failures: 0, lockedUntilMs: 0, dailyTatMs: budget.dailyTatMs };
}

/** `dailyTatMs` with one attempt given back. Call it for an attempt that was reserved, and once only. */
function refundedTat({ dailyTatMs }: AttemptBudget, policy: AttemptPolicy): number {
  return Math.max(0, dailyTatMs - dailyInterval(policy));
}

function wholeSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
