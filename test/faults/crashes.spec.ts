import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RandomChanges } from '../support/random-changes.js';

const RUNS = Number(process.env.RUNS ?? 150);

describe('random changes of a user whose processes die at any statement', () => {
  const changes = new RandomChanges({ dying: 0.02, patienceMs: 60 });
  beforeAll(() => changes.start());
  afterAll(() => changes.close());

  it('S39 S43a S59 S61 leave every user who did not disable MFA with a factor, and show valid backup codes', async () => {
    for (let run = 1; run <= RUNS; run += 1) await changes.run(run);
    expect(changes.problems).toEqual({});
  }, 300_000);
});
