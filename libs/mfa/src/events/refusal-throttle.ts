/** Refusals of one user, for one reason and in one hour, that are events of their own. */
const SINGLE_EVENTS = 20;
const HOUR_MS = 60 * 60 * 1000;
/** Counts at once. Beyond it, the oldest count ends early. */
const MOST_COUNTS = 10_000;

interface Counted {
  userId: string;
  failure: string;
}

interface Window<Refusal> {
  startedAtMs: number;
  userId: string;
  count: number;
  /** The last refusal that is not an event yet. */
  last: Refusal | null;
}

/**
 * Counts refusals that cost no attempt, in this process. The first 20 of a user in an hour are reported one by one. The
 * rest is reported as one with a count, when the hour is over. Each `failure` is counted alone, so that a flood of one does
 * not hide the others. There are only a few, so one user cannot end the counts of many others.
 */
export class RefusalThrottle<Refusal extends Counted> {
  private readonly windows = new Map<string, Window<Refusal>>();

  /** @param report receives the refusals that were held back: the last one, and their number */
  constructor(private readonly report: (refusal: Refusal, count: number) => void) {}

  /** Whether to report this refusal now. Otherwise it is counted. */
  admits(refusal: Refusal, nowMs: number): boolean {
    this.endOver(nowMs);
    const key = `${refusal.failure} ${refusal.userId}`;
    const window = this.windows.get(key) ?? this.open(key, refusal.userId, nowMs);
    window.count += 1;
    if (window.count <= SINGLE_EVENTS) return true;
    window.last = refusal;
    return false;
  }

  /** Reports what was held back in hours that are over. The map is in the order in which they began. */
  endOver(nowMs: number): void {
    for (const [key, { startedAtMs }] of this.windows) {
      // A clock that was set back ends the hour, too.
      if (nowMs >= startedAtMs && nowMs - startedAtMs < HOUR_MS) return;
      this.end(key);
    }
  }

  /** Reports everything that was held back. */
  endAll(): void {
    for (const key of this.windows.keys()) this.end(key);
  }

  /** Removes the counts of a user without a report. */
  drop(userId: string): void {
    for (const [key, window] of this.windows) if (window.userId === userId) this.windows.delete(key);
  }

  private open(key: string, userId: string, nowMs: number): Window<Refusal> {
    const [oldest] = this.windows.keys();
    if (this.windows.size >= MOST_COUNTS) this.end(oldest!);
    const window = { startedAtMs: nowMs, userId, count: 0, last: null };
    this.windows.set(key, window);
    return window;
  }

  private end(key: string): void {
    const { last, count } = this.windows.get(key)!;
    this.windows.delete(key);
    if (last !== null) this.report(last, count - SINGLE_EVENTS);
  }
}
