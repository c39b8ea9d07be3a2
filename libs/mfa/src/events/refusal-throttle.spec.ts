import { describe, expect, it } from 'vitest';
import { RefusalThrottle } from './refusal-throttle.js';

const HOUR = 60 * 60 * 1000;

interface Refusal {
  userId: string;
  failure: string;
  name: string;
}

function counting() {
  const reported: [refusal: string, count: number][] = [];
  const report = ({ name }: Refusal, count: number) => void reported.push([name, count]);
  return { reported, throttle: new RefusalThrottle<Refusal>(report) };
}

const refusal = (userId: string, name = userId, failure = 'malformed'): Refusal => ({ userId, failure, name });

/** So many refusals of the user at that time, named `1`, `2` and so on. Returns how many were admitted. */
function refuse(
  throttle: RefusalThrottle<Refusal>,
  userId: string,
  count: number,
  { at = 0, failure = 'malformed' } = {},
): number {
  const each = Array.from({ length: count }, (_, index) =>
    throttle.admits(refusal(userId, `${userId} ${index + 1}`, failure), at),
  );
  return each.filter(Boolean).length;
}

describe('the events of refusals that cost no attempt', () => {
  it('S65 are the first 20 of a user in an hour, and each user is counted alone', () => {
    const { throttle, reported } = counting();
    expect(refuse(throttle, 'ann', 19)).toBe(19);
    expect(throttle.admits(refusal('ann', 'twentieth'), 0)).toBe(true);
    expect(throttle.admits(refusal('ann', 'twenty-first'), 0)).toBe(false);
    expect(refuse(throttle, 'ben', 25)).toBe(20);
    expect(reported).toEqual([]);
  });

  it('S65 are one with a count when the hour is over, not earlier, and only once', () => {
    const { throttle, reported } = counting();
    refuse(throttle, 'ann', 25, { at: 5 });
    throttle.endOver(5 + HOUR - 1);
    expect(reported).toEqual([]);
    throttle.endOver(5 + HOUR);
    expect(reported).toEqual([['ann 25', 5]]);
    throttle.endOver(5 + 2 * HOUR);
    expect(reported).toHaveLength(1);
  });

  it('S65 end with nothing held back where 20 or fewer were refused', () => {
    const { throttle, reported } = counting();
    refuse(throttle, 'ann', 20);
    throttle.endOver(HOUR);
    expect(reported).toEqual([]);
  });

  it('S65 start again in the next hour, of which the next refusal reports the last one', () => {
    const { throttle, reported } = counting();
    refuse(throttle, 'ann', 21);
    expect(refuse(throttle, 'ann', 22, { at: HOUR })).toBe(20);
    expect(reported).toEqual([['ann 21', 1]]);
    throttle.endOver(2 * HOUR);
    expect(reported).toEqual([
      ['ann 21', 1],
      ['ann 22', 2],
    ]);
  });

  it('S65 are reported when the clock is set back, because their hour would otherwise last until it comes again', () => {
    const { throttle, reported } = counting();
    refuse(throttle, 'ann', 22, { at: HOUR });
    throttle.endOver(HOUR);
    expect(reported).toEqual([]);
    throttle.endOver(HOUR - 1);
    expect(reported).toEqual([['ann 22', 2]]);
  });

  it('S65 of a user whose hour is not over wait, though that of another one is', () => {
    const { throttle, reported } = counting();
    refuse(throttle, 'ann', 21);
    refuse(throttle, 'ben', 22, { at: 1 });
    throttle.endOver(HOUR);
    expect(reported).toEqual([['ann 21', 1]]);
    expect(throttle.admits(refusal('ben', 'one more'), HOUR)).toBe(false);
    throttle.endOver(HOUR + 1);
    expect(reported[1]).toEqual(['one more', 3]);
  });

  it('S65 with one reason do not hide those with another, of which each has a count of its own', () => {
    const { throttle, reported } = counting();
    expect(refuse(throttle, 'ann', 22, { failure: 'malformed' })).toBe(20);
    expect(refuse(throttle, 'ann', 23, { failure: 'locked' })).toBe(20);
    throttle.endOver(HOUR);
    expect(reported).toEqual([
      ['ann 22', 2],
      ['ann 23', 3],
    ]);
  });

  it('S65 are all reported when the application ends', () => {
    const { throttle, reported } = counting();
    for (const [user, count] of Object.entries({ ann: 21, ben: 3, cy: 30 })) refuse(throttle, user, count);
    throttle.endAll();
    expect(reported).toEqual([
      ['ann 21', 1],
      ['cy 30', 10],
    ]);
    throttle.endAll();
    expect(reported).toHaveLength(2);
  });

  it('are dropped for a user without a report, whatever their reason', () => {
    const { throttle, reported } = counting();
    for (const failure of ['malformed', 'locked']) refuse(throttle, 'ann', 21, { failure });
    refuse(throttle, 'ben', 22);
    throttle.drop('ann');
    throttle.endAll();
    expect(reported).toEqual([['ben 22', 2]]);
  });

  it('S65 have 10000 counts at once: one more ends the oldest count early', () => {
    const { throttle, reported } = counting();
    refuse(throttle, 'oldest', 23);
    for (let user = 1; user < 10_000; user += 1) throttle.admits(refusal(`user ${user}`), 0);
    expect(reported).toEqual([]);
    throttle.admits(refusal('one too many'), 0);
    expect(reported).toEqual([['oldest 23', 3]]);
    expect(throttle.admits(refusal('user 1'), 0)).toBe(true);
  });
});
