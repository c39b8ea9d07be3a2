import { MfaClock } from '../domain/clock.js';

/** A clock that moves only when a test moves it. Provide it as `MfaClock`. */
export class FixedClock extends MfaClock {
  constructor(private now = 1_800_000_000_000) {
    super();
  }

  nowMs(): number {
    return this.now;
  }

  /** Moves time by so many seconds. */
  advance(seconds: number): void {
    this.now += seconds * 1000;
  }

  set(nowMs: number): void {
    this.now = nowMs;
  }
}
