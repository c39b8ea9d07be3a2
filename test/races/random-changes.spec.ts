import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RandomChanges } from '../support/random-changes.js';

const RUNS = Number(process.env.RUNS ?? 150);

describe('every change of a user at once, in random order', () => {
  const changes = new RandomChanges({ dying: 0 });
  beforeAll(() => changes.start());
  afterAll(() => changes.close());

  it('S29 S33 S39 S43a leaves no user without a factor or with dead codes that nobody took away', async () => {
    for (let run = 1; run <= RUNS; run += 1) await changes.run(run);
    expect(changes.problems).toEqual({});
  }, 300_000);
});
