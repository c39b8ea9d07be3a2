/** Refusals of one user in one hour that are events of their own. */
const SINGLE_EVENTS = 20;
const HOUR_MS = 60 * 60 * 1000;
/** Users that are counted at once. Beyond it, the oldest count ends early. */
const MOST_USERS = 10_000;

interface Window<Refusal> {
  startedAtMs: number;
  count: number;
  /** The last refusal that is not an event yet. */
  last: Refusal | null;
}

/**
 * Counts refusals that cost no attempt, in this process. The first 20 of a user in an hour are reported one by one. The
 * rest is reported as one with a count, when the hour is over.
 */
export class RefusalThrottle<Refusal> {
  private readonly windows = new Map<string, Window<Refusal>>();

  /** @param report receives the refusals that were held back: the last one, and their number */
  constructor(private readonly report: (refusal: Refusal, count: number) => void) {}

  /** Whether to report this refusal now. Otherwise it is counted. */
  admits(userId: string, refusal: Refusal, nowMs: number): boolean {
    this.endOver(nowMs);
    const window = this.windows.get(userId) ?? this.open(userId, nowMs);
    window.count += 1;
    if (window.count <= SINGLE_EVENTS) return true;
    window.last = refusal;
    return false;
  }

  /** Reports what was held back in hours that are over. The map is in the order in which they began. */
  endOver(nowMs: number): void {
    for (const [userId, { startedAtMs }] of this.windows) {
      // A clock that was set back ends the hour, too.
      if (nowMs >= startedAtMs && nowMs - startedAtMs < HOUR_MS) return;
      this.end(userId);
    }
  }

  /** Reports everything that was held back. */
  endAll(): void {
    for (const userId of this.windows.keys()) this.end(userId);
  }

  private open(userId: string, nowMs: number): Window<Refusal> {
    const [oldest] = this.windows.keys();
    if (this.windows.size >= MOST_USERS) this.end(oldest!);
    const window = { startedAtMs: nowMs, count: 0, last: null };
    this.windows.set(userId, window);
    return window;
  }

  private end(userId: string): void {
    const { last, count } = this.windows.get(userId)!;
    this.windows.delete(userId);
    if (last !== null) this.report(last, count - SINGLE_EVENTS);
  }
}
