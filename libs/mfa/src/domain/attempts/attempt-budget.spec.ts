import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dailyInterval,
  dailyTolerance,
  DEFAULT_ATTEMPT_POLICY,
  EMPTY_BUDGET,
  endFailures,
  latestLock,
  latestTat,
  lockLadder,
  lockMsAt,
  releaseBudget,
  reserveBudget,
  retryAfterSeconds,
  settleBudget,
} from './attempt-budget.js';
import type { AttemptBudget, AttemptPolicy } from './attempt-policy.js';

const POLICY = DEFAULT_ATTEMPT_POLICY;
const NOW_MS = 1_700_000_000_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Reserves at the given time or fails the test. */
const reserved = (budget: AttemptBudget, nowMs = NOW_MS, policy = POLICY): AttemptBudget => {
  const next = reserveBudget(budget, policy, nowMs);
  if (next === null) throw new Error('refused');
  return next;
};

describe('lockLadder', () => {
  it('S54 doubles from 15 minutes to 24 hours', () => {
    const minutes = [15, 30, 60, 120, 240, 480, 960, 1440];
    expect(lockLadder(POLICY)).toEqual(
      minutes.map((length, index) => ({ atFailures: 5 * (index + 1), lockMs: length * MINUTE_MS })),
    );
  });

  it('ends at the longest lock where doubling would pass it', () => {
    const lengths = lockLadder({ ...POLICY, lockMs: 10, maxLockMs: 35 }).map(({ lockMs }) => lockMs);
    expect(lengths).toEqual([10, 20, 35]);
  });

  it('has one rung where the first lock is the longest', () => {
    expect(lockLadder({ ...POLICY, lockMs: 10, maxLockMs: 10 })).toEqual([{ atFailures: 5, lockMs: 10 }]);
  });
});

describe('lockMsAt', () => {
  it.each([
    [0, 0],
    [4, 0],
    [5, 15],
    [6, 0],
    [10, 30],
    [40, 1440],
    [45, 1440],
    [46, 0],
    [95, 1440],
  ])('S54 locks at %i failures for %i minutes', (failures, minutes) => {
    expect(lockMsAt(failures, POLICY)).toBe(minutes * MINUTE_MS);
  });
});

describe('reserveBudget', () => {
  it('S50 counts the attempt before it is evaluated, and leaves its argument alone', () => {
    expect(reserved(EMPTY_BUDGET)).toEqual({
      failures: 1,
      lockedUntilMs: 0,
      dailyTatMs: NOW_MS + dailyInterval(POLICY),
    });
    expect(EMPTY_BUDGET).toEqual({ failures: 0, lockedUntilMs: 0, dailyTatMs: 0 });
  });

  it('S50 S54 lets five of any number of attempts through, then locks for 15 minutes', () => {
    let budget: AttemptBudget = EMPTY_BUDGET;
    let evaluated = 0;
    for (let attempt = 0; attempt < 100; attempt++) {
      const next = reserveBudget(budget, POLICY, NOW_MS);
      if (next !== null) evaluated++;
      budget = next ?? budget;
    }
    expect([evaluated, budget.failures, budget.lockedUntilMs]).toEqual([5, 5, NOW_MS + 15 * MINUTE_MS]);
  });

  it('S54 opens exactly when the lock ends', () => {
    const budget = { failures: 5, lockedUntilMs: NOW_MS, dailyTatMs: 0 };
    expect(reserveBudget(budget, POLICY, NOW_MS - 1)).toBeNull();
    expect(reserveBudget(budget, POLICY, NOW_MS)).toMatchObject({ failures: 6, lockedUntilMs: 0 });
  });

  it('S54 holds the daily cap though the locks are over', () => {
    const spent = { failures: 6, lockedUntilMs: 0, dailyTatMs: NOW_MS + dailyTolerance(POLICY) };
    expect(reserveBudget(spent, POLICY, NOW_MS)).not.toBeNull();
    expect(reserveBudget({ ...spent, dailyTatMs: spent.dailyTatMs + 1 }, POLICY, NOW_MS)).toBeNull();
  });

  it('S54 stays closed for good after a hundred failures in a row', () => {
    const last = reserved({ failures: 99, lockedUntilMs: 0, dailyTatMs: 0 });
    expect(last.failures).toBe(100);
    expect(reserveBudget(last, POLICY, NOW_MS + 100 * DAY_MS)).toBeNull();
  });
});

describe('settleBudget', () => {
  it('S54 ends failures and lock, and gives the daily cap its own attempt back', () => {
    const before = { failures: 4, lockedUntilMs: 0, dailyTatMs: NOW_MS + 1000 };
    expect(settleBudget(reserved(before), POLICY)).toEqual({
      failures: 0,
      lockedUntilMs: 0,
      dailyTatMs: before.dailyTatMs,
    });
  });

  it('S34a leaves the account unlocked when the last attempt before the lock succeeds', () => {
    const fifth = reserved({ failures: 4, lockedUntilMs: 0, dailyTatMs: 0 });
    expect(retryAfterSeconds(fifth, POLICY, NOW_MS)).toBe(900);
    expect(retryAfterSeconds(settleBudget(fifth, POLICY), POLICY, NOW_MS)).toBeNull();
  });

  it('never goes below zero', () => {
    expect(settleBudget(EMPTY_BUDGET, POLICY)).toEqual(EMPTY_BUDGET);
  });
});

describe('retryAfterSeconds', () => {
  it.each([
    ['open', { failures: 0, lockedUntilMs: 0, dailyTatMs: 0 }, null],
    ['just open', { failures: 5, lockedUntilMs: NOW_MS, dailyTatMs: 0 }, null],
    ['locked by a millisecond', { failures: 5, lockedUntilMs: NOW_MS + 1, dailyTatMs: 0 }, 1],
    ['locked', { failures: 5, lockedUntilMs: NOW_MS + 1001, dailyTatMs: 0 }, 2],
    ['over the daily cap', { failures: 1, lockedUntilMs: 0, dailyTatMs: NOW_MS + dailyTolerance(POLICY) + 5000 }, 5],
    ['both', { failures: 5, lockedUntilMs: NOW_MS + 9000, dailyTatMs: NOW_MS + dailyTolerance(POLICY) + 5000 }, 9],
    ['disabled', { failures: 100, lockedUntilMs: 0, dailyTatMs: 0 }, 86_400],
  ])('S57 tells of a budget that is %s', (_, budget, seconds) => {
    expect(retryAfterSeconds(budget, POLICY, NOW_MS)).toBe(seconds);
  });

  it('S57 promises a time at which the next attempt is let through, and not much later', () => {
    const budgets = fc.record({
      failures: fc.nat(99),
      lockedUntilMs: fc.nat(2 * DAY_MS).map((ahead) => NOW_MS - DAY_MS + ahead),
      dailyTatMs: fc.nat(2 * DAY_MS).map((ahead) => NOW_MS - DAY_MS + ahead),
    });
    fc.assert(
      fc.property(budgets, (budget) => {
        const seconds = retryAfterSeconds(budget, POLICY, NOW_MS);
        const opensAtMs = NOW_MS + (seconds ?? 0) * 1000;
        expect(reserveBudget(budget, POLICY, opensAtMs)).not.toBeNull();
        const tooEarly = seconds === null ? null : reserveBudget(budget, POLICY, opensAtMs - 1001);
        expect(tooEarly).toBeNull();
      }),
    );
  });
});

describe('the daily cap', () => {
  const small = fc.integer({ min: 1, max: 12 });
  /** Attempts at growing times; those that succeed are settled after up to three more were reserved. */
  const attempts = fc.array(
    fc.record({
      waitMs: fc.oneof(fc.nat(1000), fc.nat(30_000), fc.nat(DAY_MS / 12)),
      succeeds: fc.boolean(),
      settledAfter: fc.nat(3),
    }),
    { minLength: 20, maxLength: 150 },
  );

  /** A statement has an answer within its deadline; what is settled so late gives back as much too much (`whenLate`). */
  const LATEST_MS = 10_000;

  /** Times of evaluated attempts that failed, and how late the successes between them were settled, all together. */
  function play(policy: AttemptPolicy, script: { waitMs: number; succeeds: boolean; settledAfter: number }[]) {
    let budget: AttemptBudget = EMPTY_BUDGET;
    let nowMs = NOW_MS;
    let lateMs = 0;
    const failures: number[] = [];
    let unsettled: { due: number; reservedAtMs: number }[] = [];
    const settle = (isDue: (reservation: { due: number; reservedAtMs: number }) => boolean) => {
      for (const { reservedAtMs } of unsettled.filter(isDue)) {
        lateMs += Math.min(nowMs - reservedAtMs, LATEST_MS);
        budget = settleBudget(budget, policy);
      }
      unsettled = unsettled.filter((each) => !isDue(each));
    };
    script.forEach(({ waitMs, succeeds, settledAfter }, index) => {
      nowMs += waitMs;
      settle(({ reservedAtMs }) => nowMs - reservedAtMs > LATEST_MS);
      const next = reserveBudget(budget, policy, nowMs);
      if (next !== null) {
        budget = next;
        if (succeeds) unsettled.push({ due: index + settledAfter, reservedAtMs: nowMs });
        else failures.push(nowMs);
      }
      settle(({ due }) => due <= index);
    });
    return { failures, lateMs };
  }

  const mostWithin = (times: number[], spanMs: number) =>
    Math.max(0, ...times.map((start) => times.filter((time) => time >= start && time <= start + spanMs).length));

  it.each([
    ['failures alone', false],
    ['successes in between, which give back only their own attempt', true],
  ])('S54 lets at most burst + refill failures through in any 24 hours: %s', (_, withSuccesses) => {
    fc.assert(
      fc.property(small, small, attempts, (dailyBurst, dailyRefill, script) => {
        // No locks, so that nothing but the cap can hold.
        const policy = { ...POLICY, maxFailures: 1_000_000, disableAfter: 1_000_000, dailyBurst, dailyRefill };
        const played = script.map((attempt) => ({ ...attempt, succeeds: withSuccesses && attempt.succeeds }));
        const { failures, lateMs } = play(policy, played);
        expect(mostWithin(failures, DAY_MS - lateMs)).toBeLessThanOrEqual(dailyBurst + dailyRefill);
      }),
      { numRuns: 300 },
    );
  });

  it('S54 is reached: ten at once, and ten more over the day', () => {
    const policy = { ...POLICY, maxFailures: 1_000_000, disableAfter: 1_000_000 };
    const script = Array.from({ length: 24 * 60 }, () => ({ waitMs: MINUTE_MS, succeeds: false, settledAfter: 0 }));
    const { failures } = play(policy, script);
    expect([failures.slice(0, 10).every((time) => time <= NOW_MS + 10 * MINUTE_MS), failures.length]).toEqual([
      true,
      19,
    ]);
  });

  it.each([1, 7, 10, 11, 1_000_000])('S54 flows back no faster than %i a day', (dailyRefill) => {
    const interval = dailyInterval({ ...POLICY, dailyRefill });
    expect([Number.isInteger(interval), interval * dailyRefill >= DAY_MS]).toEqual([true, true]);
  });

  it('S54 takes no notice of what a clock far ahead has written', () => {
    const year = 365 * DAY_MS;
    const budget = { failures: 5, lockedUntilMs: NOW_MS + year, dailyTatMs: NOW_MS + year };
    expect(retryAfterSeconds(budget, POLICY, NOW_MS)).toBeNull();
    const next = reserveBudget(budget, POLICY, NOW_MS);
    expect(next).toEqual({ failures: 6, lockedUntilMs: 0, dailyTatMs: NOW_MS + dailyInterval(POLICY) });
  });

  it('S54 heeds what the clock of another instance can have written', () => {
    const lockedUntilMs = latestLock(POLICY, NOW_MS);
    expect(lockedUntilMs).toBe(NOW_MS + 2 * DAY_MS);
    expect(retryAfterSeconds({ failures: 5, lockedUntilMs, dailyTatMs: 0 }, POLICY, NOW_MS)).toBe(2 * 86_400);
    expect(
      retryAfterSeconds({ failures: 5, lockedUntilMs: lockedUntilMs + 1, dailyTatMs: 0 }, POLICY, NOW_MS),
    ).toBeNull();

    const dailyTatMs = latestTat(POLICY, NOW_MS);
    const wait = (dailyInterval(POLICY) + DAY_MS) / 1000;
    expect(retryAfterSeconds({ failures: 1, lockedUntilMs: 0, dailyTatMs }, POLICY, NOW_MS)).toBe(wait);
    expect(retryAfterSeconds({ failures: 1, lockedUntilMs: 0, dailyTatMs: dailyTatMs + 1 }, POLICY, NOW_MS)).toBeNull();
  });

  it('S54 S51 replaced codes end failures and lock, and give the daily cap nothing back', () => {
    const locked = reserveBudget({ failures: 4, lockedUntilMs: 0, dailyTatMs: 0 }, POLICY, NOW_MS)!;
    expect(endFailures(locked)).toEqual({ failures: 0, lockedUntilMs: 0, dailyTatMs: locked.dailyTatMs });
  });

  it('S70 S54 however right but spent codes and wrong ones overlap, failures and lock are those of the wrong ones', () => {
    const steps = fc.array(fc.constantFrom('wrong', 'spent', 'release'), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (script) => {
        const policy = { ...POLICY, dailyBurst: 1_000_000 };
        let budget: AttemptBudget = EMPTY_BUDGET;
        let [nowMs, open, wrong] = [NOW_MS, 0, 0];
        for (const step of script) {
          if (step === 'release') {
            if (open > 0) budget = releaseBudget(budget, policy);
            open = Math.max(0, open - 1);
            continue;
          }
          const next = reserveBudget(budget, policy, nowMs);
          // Where nothing is open, an earned lock is waited for; locks outlast every open reservation.
          if (next === null && open === 0) nowMs = budget.lockedUntilMs;
          if (next === null) continue;
          if (step === 'spent') open += 1;
          else wrong += 1;
          budget = next;
        }
        for (; open > 0; open -= 1) budget = releaseBudget(budget, policy);
        let expected: AttemptBudget = EMPTY_BUDGET;
        let atMs = NOW_MS;
        for (let failure = 0; failure < wrong; failure += 1) {
          atMs = Math.max(atMs, expected.lockedUntilMs);
          expected = reserveBudget(expected, policy, atMs)!;
        }
        // A lock that is over locks nothing, and counting the next attempt clears it.
        const seen = ({ failures, lockedUntilMs }: AttemptBudget) => ({
          failures,
          lockedUntilMs: lockedUntilMs > nowMs ? lockedUntilMs : 0,
        });
        expect(seen(budget)).toEqual(seen(expected));
      }),
      { numRuns: 1_000 },
    );
  });

  it('S58 S70 a release takes the reservation back with the lock that it brought, and no other lock', () => {
    const before = { failures: 4, lockedUntilMs: 0, dailyTatMs: NOW_MS };
    expect(releaseBudget(reserveBudget(before, POLICY, NOW_MS)!, POLICY)).toEqual(before);
    const earlier = { failures: 7, lockedUntilMs: NOW_MS + 1, dailyTatMs: NOW_MS };
    expect(releaseBudget(earlier, POLICY)).toMatchObject({ failures: 6, lockedUntilMs: NOW_MS + 1 });
  });
});
