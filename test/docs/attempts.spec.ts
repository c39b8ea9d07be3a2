import { describe, expect, it } from 'vitest';
import { resolveOptions } from '../../libs/mfa/src/options/resolve-options.js';
import { EMPTY_BUDGET, reserveBudget, settleBudget } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { read, root } from './markdown.js';

interface Policy {
  window: number;
  digits: number;
  authenticators: number;
  dailyBurst: number;
  dailyRefill: number;
  disableAfter: number;
}

const { DEFAULTS, chances, chanceOfAny, guessesIn, rendered } = (await import(
  `${root}scripts/guessing-probability.mjs`
)) as {
  DEFAULTS: Policy & { backupCodes: number };
  chances(policy: Policy): Record<'guess' | 'day' | 'alone' | 'year', number>;
  chanceOfAny(p: number, guesses: number): number;
  guessesIn(days: number, policy: Policy): number;
  rendered(page: string): string;
};

const options = resolveOptions({
  issuer: 'Acme',
  keys: [{ id: 'k', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=' }],
});
const DAY_MS = 24 * 60 * 60 * 1000;

describe('guessing probabilities', () => {
  it('start from the defaults of the options', () => {
    const { window, digits } = options.totp;
    const { dailyBurst, dailyRefill, disableAfter } = options.attempts;
    const backupCodes = options.backupCodes.count;
    expect(DEFAULTS).toEqual({ window, digits, authenticators: 1, dailyBurst, dailyRefill, disableAfter, backupCodes });
  });

  it('are those of the page', () => {
    const page = read('docs/security/attempts.md');
    expect(page).toBe(rendered(page)); // else run: node scripts/guessing-probability.mjs --write
    expect(rendered('<!-- totp -->\nold\n<!-- /totp -->')).toContain('| 1 (default) | 6 | 1 | 10 + 10 |');
  });

  it('add up by hand', () => {
    expect(chanceOfAny(0.5, 2)).toBeCloseTo(0.75);
    expect(chances(DEFAULTS).guess).toBeCloseTo(3e-6);
    expect(chances(DEFAULTS).day).toBeCloseTo(20 * 3e-6, 8);
    expect(chances(DEFAULTS).alone).toBeCloseTo(100 * 3e-6, 7);
    expect(chances(DEFAULTS).year).toBeCloseTo(1 - (1 - 3e-6) ** 3660);
  });

  it.each([1, 7, 30])('S54 bound the guesses that the budget evaluates in %i days, whatever the owner does', (days) => {
    let budget = EMPTY_BUDGET;
    let evaluated = 0;
    // The attacker tries every minute; the owner signs in every ten minutes, which ends runs of failures and locks.
    for (let nowMs = DAY_MS; nowMs < DAY_MS * (1 + days); nowMs += 60_000) {
      if (nowMs % 600_000 === 0) {
        const owner = reserveBudget(budget, options.attempts, nowMs);
        if (owner) budget = settleBudget(owner, options.attempts);
      }
      const reserved = reserveBudget(budget, options.attempts, nowMs);
      if (!reserved) continue;
      budget = reserved;
      evaluated += 1;
    }
    expect(evaluated).toBeLessThanOrEqual(guessesIn(days, DEFAULTS));
    expect(evaluated).toBeGreaterThan(guessesIn(days, DEFAULTS) / 2);
  });
});
