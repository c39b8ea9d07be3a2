import { describe, expect, it } from 'vitest';
import { CLOCK_SKEW_MS } from '../usage/usage.js';
import { currentStep, spentUntilMs } from './totp.js';

describe('spentUntilMs', () => {
  it('allows for clocks that differ by ten minutes', () => {
    expect(CLOCK_SKEW_MS).toBe(600_000);
  });

  it.each([
    { step: 60_000_000, periodSeconds: 30, window: 1 },
    { step: 60_000_000, periodSeconds: 30, window: 0 },
    { step: 30_000_000, periodSeconds: 60, window: 10 },
  ])('S27 S61 is the first millisecond at which no clock accepts the code any more: %j', (spent) => {
    const { step, periodSeconds, window } = spent;
    // By the clock that is furthest behind.
    const oldestStepAt = (nowMs: number) => currentStep(nowMs - CLOCK_SKEW_MS, periodSeconds) - window;
    expect(oldestStepAt(spentUntilMs(spent) - 1)).toBe(step);
    expect(oldestStepAt(spentUntilMs(spent))).toBe(step + 1);
  });
});
