/**
 * How long a spent item is remembered after it expired, in milliseconds. The clocks of several instances may differ by
 * this much before an item could be accepted again.
 */
export const CLOCK_SKEW_MS = 10 * 60 * 1000;

/**
 * What can be spent, once per user and item. `recovery_code` is a recovery code, and `authorized` an enrollment token
 * under which the host authorised the enrollment. For a factor of the host, its method. At most 16 characters.
 */
export type UsageKind =
  'totp' | 'backup_code' | 'webauthn' | 'recovery_code' | 'token' | 'authorized' | 'import' | (string & {});

/** One item to spend. */
export interface UsageEntry {
  kind: UsageKind;
  /** Lower-case ASCII, at most 64 characters: `<authenticator id>:<step>`, a backup code's id, or a token's `jti`. */
  item: string;
  /** From this time the row may be removed. `null` = with its set of backup codes. */
  expiresAtMs: number | null;
}

/** Items to spend together, and what must be true of the account at that moment. */
export interface Spending {
  userId: string;
  /** The security stamp that the account must have. */
  securityStamp: number;
  /** The set of backup codes that the account must have. Left out = any. */
  backupSetId?: string;
  /** The hash of the recovery code that the account must have. Left out = any. */
  // S104
  recoveryHash?: string;
  entries: readonly UsageEntry[];
  nowMs: number;
}

/** A spent item. */
export interface SpentEntry extends UsageEntry {
  spentAtMs: number;
}
