/** Whose turn it is: codes are never replayed, and nobody fails so often that a lock would answer instead. */
import { setTimeout as sleep } from 'node:timers/promises';
import { currentStep } from '../servers/totp.mjs';

/** Wrong codes that every budget of every variant that has one stands without a lock. */
const WRONG_EACH = 4;

export class Turns {
  #next = 0;
  #guesses = 0;

  /** `wrongEach`: wrong codes that a user stands; Infinity where nothing counts them. */
  constructor(users, { wrongEach = WRONG_EACH } = {}) {
    this.users = users;
    this.wrongEach = wrongEach;
    this.lastStep = new Int32Array(users);
  }

  /** `count` times `{ user, step }`, each step unspent and accepted for at least 30 seconds; waits for fresh ones. */
  async right(count) {
    const turns = [];
    for (let skipped = 0; turns.length < count;) {
      const user = this.#next++ % this.users;
      const step = Math.max(currentStep(Date.now()), this.lastStep[user] + 1);
      if (step <= currentStep(Date.now()) + 1) {
        this.lastStep[user] = step;
        turns.push({ user, step });
        skipped = 0;
      } else if (++skipped === this.users) {
        await sleep(30_000 - (Date.now() % 30_000) + 50);
        skipped = 0;
      }
    }
    return turns;
  }

  /** The users of `count` wrong codes. */
  wrong(count) {
    if (this.#guesses + count > this.users * this.wrongEach) {
      throw new Error(`${this.users} users do not stand so many wrong codes: give more --users, or fewer --rounds`);
    }
    return Array.from({ length: count }, () => this.#guesses++ % this.users);
  }
}
