import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RandomChanges } from '../support/random-changes.js';

const RUNS = Number(process.env.RUNS ?? 150);

describe('parallel changes of a user in random order', () => {
  const changes = new RandomChanges({ dying: 0 });
  beforeAll(() => changes.start());
  afterAll(() => changes.close());

  it('S29 S33 S39 S43a leave every user who did not disable MFA with a factor, and with backup codes that were shown', async () => {
    for (let run = 1; run <= RUNS; run += 1) await changes.run(run);
    expect(changes.problems).toEqual({});
  }, 300_000);
});
