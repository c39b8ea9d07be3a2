/**
 * How long a spent item is remembered after it expired, in milliseconds. The clocks of several instances may differ by
 * this much before an item could be accepted again.
 */
export const CLOCK_SKEW_MS = 10 * 60 * 1000;

/** What can be spent, once per user and item. */
export type UsageKind = 'totp' | 'backup_code' | 'token' | 'import';

/** One thing to be spent. */
export interface UsageEntry {
  kind: UsageKind;
  /** Lower-case ASCII, at most 64 characters: `<authenticator id>:<step>`, a backup code's id, or a token's `jti`. */
  item: string;
  /** When the row may be forgotten; `null` = when its backup set is removed. */
  expiresAtMs: number | null;
}

export interface Spending {
  userId: string;
  /** Must be the account's security stamp at the moment of spending. */
  securityStamp: number;
  /** Where given, must be the account's live backup set at the moment of spending. */
  backupSetId?: string;
  entries: readonly UsageEntry[];
  nowMs: number;
}

/** A thing that was spent. */
export interface SpentEntry extends UsageEntry {
  spentAtMs: number;
}
