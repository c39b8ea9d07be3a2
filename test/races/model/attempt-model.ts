const DAY_SECONDS = 86_400;
const REFILL_SECONDS = DAY_SECONDS / 10;

/** The default attempt policy once more, written independently of the library, in plain seconds. */
export class AttemptModel {
  private consecutive = 0;
  private lockedUntil = 0;
  /** When the daily cap's ten spare attempts would all be back. */
  private refilledAt = 0;

  isOpen(now: number): boolean {
    const spare = 10 - (Math.max(this.refilledAt, now) - now) / REFILL_SECONDS;
    return this.consecutive < 100 && now >= this.lockedUntil && spare >= 1;
  }

  fail(now: number): void {
    this.consecutive += 1;
    this.refilledAt = Math.max(this.refilledAt, now) + REFILL_SECONDS;
    if (this.consecutive % 5 === 0) {
      this.lockedUntil = now + Math.min(DAY_SECONDS, 900 * 2 ** (this.consecutive / 5 - 1));
    }
  }

  succeed(now: number): void {
    this.consecutive = 0;
    this.lockedUntil = 0;
    // The attempt itself is given back; that it was counted may have moved the refill up to now.
    this.refilledAt = Math.max(this.refilledAt, now);
  }

  /** New secrets or codes: the run of failures ends, and the day's attempts stay as they are. */
  startOver(): void {
    this.consecutive = this.lockedUntil = 0;
  }

  endLock(): void {
    this.lockedUntil = 0;
  }

  clear(): void {
    this.consecutive = this.lockedUntil = this.refilledAt = 0;
  }
}
