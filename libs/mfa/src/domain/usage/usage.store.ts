import type { SpentEntry, Spending } from './usage.js';

/** Storage port of what has been spent: replay prevention (RFC 6238 §5.2). */
export abstract class MfaUsageStore {
  /**
   * Spends all entries by one statement, or none. `true` only if every row was written and the
   * account was as demanded; a lost race is `false`, and nothing is spent then.
   */
  // S27–S29
  abstract spend(spending: Spending): Promise<boolean>;

  /** Forgets up to `limit` rows with `expiresAtMs <= beforeMs`; answers how many. One statement. */
  abstract purge(beforeMs: number, limit: number): Promise<number>;

  /** What the user has spent and is still remembered, oldest first. One statement. */
  abstract list(userId: string): Promise<SpentEntry[]>;

  /** Removes all rows of the user. One statement. */
  abstract removeAll(userId: string): Promise<void>;
}
