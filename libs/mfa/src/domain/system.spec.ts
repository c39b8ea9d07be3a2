import { describe, expect, it, vi } from 'vitest';
import { SystemClock } from './clock.js';
import { SystemRandom } from './random.js';

describe('SystemClock', () => {
  it('returns the time of the system in milliseconds', () => {
    vi.useFakeTimers({ now: 1_700_000_000_123 });
    expect(new SystemClock().nowMs()).toBe(1_700_000_000_123);
    vi.useRealTimers();
  });
});

describe('SystemRandom', () => {
  it('S11 gives as many bytes as asked for, others every time', () => {
    const random = new SystemRandom();
    expect([random.bytes(0).length, random.bytes(32).length]).toEqual([0, 32]);
    expect(random.bytes(32).equals(random.bytes(32))).toBe(false);
  });

  it('gives another lower-case UUID of version 4 every time', () => {
    const random = new SystemRandom();
    const ids = Array.from({ length: 100 }, () => random.id());
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(100);
  });
});
