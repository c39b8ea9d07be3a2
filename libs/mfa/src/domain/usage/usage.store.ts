import type { SpentEntry, Spending, UsageEntry } from './usage.js';

/** Runs in the background after `MFA_BUSY`, once it is certain whether the entries are spent. */
export type WhenKnown = (isSpent: boolean) => unknown;

/** Storage port of spent codes and tokens. It prevents replay (RFC 6238 §5.2). */
export abstract class MfaUsageStore {
  /**
   * Spends all entries in one statement, or none. Returns `true` only if every row was written and the account was as
   * required. `false` = a lost race; nothing was spent.
   */
  // S27–S29
  abstract spend(spending: Spending, whenKnown?: WhenKnown): Promise<boolean>;

  /** Removes up to `limit` rows with `expiresAtMs <= beforeMs`. Returns their number. One statement. */
  abstract purge(beforeMs: number, limit: number): Promise<number>;

  /** The spent entries of the user that are still stored, oldest first. One statement. */
  abstract list(userId: string): Promise<SpentEntry[]>;

  /** Whether the user has spent this entry, as far as it is still stored. One statement. It decides nothing: spending does. */
  async has(userId: string, { kind, item }: UsageEntry): Promise<boolean> {
    return (await this.list(userId)).some((each) => each.kind === kind && each.item === item);
  }

  /** Removes all rows of the user. One statement. */
  abstract removeAll(userId: string): Promise<void>;
}
