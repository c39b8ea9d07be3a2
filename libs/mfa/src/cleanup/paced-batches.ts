import { setTimeout as sleep } from 'node:timers/promises';

/** Length of the pause after each statement, as a multiple of its duration. So the cleanup runs at most a quarter of the time. */
const REST = 3;

/** Locked rows after which a run stops. Each one waits for the statement timeout; more of them mean that the table is locked. */
const MOST_LOCKED = 10;

interface Batch {
  removed: number;
  /** Whether there may be more expired rows. */
  full: boolean;
}

/** Removes rows in batches, with a pause after each statement. It stops when the application closes. */
// S61
export class PacedBatches {
  constructor(
    /** Maximum number of rows of one batch. */
    private readonly limit: () => number,
    private readonly closing: AbortSignal,
  ) {}

  /** Removes rows by one statement for each batch. Returns how many. */
  purge(purgeUpTo: (limit: number) => Promise<number>): Promise<number> {
    return this.repeat(async (limit) => {
      const removed = await this.paced(() => purgeUpTo(limit));
      return { removed, full: removed >= limit };
    });
  }

  /**
   * Lists rows and removes them one by one. A row that another transaction has locked is skipped until the next run.
   * @param collect returns whether it removed the row
   * @returns how many rows were removed
   */
  async each<T>(
    list: (limit: number) => Promise<T[]>,
    keyOf: (each: T) => string,
    collect: (each: T) => Promise<boolean>,
  ): Promise<number> {
    const locked = new Set<string>();
    const collectOne = async (each: T) => {
      if (locked.has(keyOf(each))) return false;
      try {
        return await this.paced(() => collect(each));
      } catch (error) {
        locked.add(keyOf(each));
        if ((error as { code?: unknown }).code !== 'MFA_BUSY' || locked.size > MOST_LOCKED) throw error;
        return false;
      }
    };
    return this.repeat(async (limit) => {
      const expired = await list(limit);
      let removed = 0;
      for (const each of expired) {
        if (this.closing.aborted) break;
        if (await collectOne(each)) removed += 1;
      }
      return { removed, full: expired.length >= limit };
    });
  }

  private async repeat(removeUpTo: (limit: number) => Promise<Batch>): Promise<number> {
    const limit = this.limit();
    let total = 0;
    // An application that closes waits only for the current statement.
    while (!this.closing.aborted) {
      const { removed, full } = await removeUpTo(limit);
      total += removed;
      if (!full || removed === 0) break;
    }
    return total;
  }

  /** Runs one statement, then pauses, so that requests can use the database. (SQLite blocks the process during a statement.) */
  private async paced<T>(work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const result = await work();
    const rest = (performance.now() - startedAt) * REST;
    await sleep(rest, undefined, { signal: this.closing }).catch(() => undefined);
    return result;
  }
}
