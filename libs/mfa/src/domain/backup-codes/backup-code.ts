/** A stored backup code. Used or not is decided by the usage table; `usedAtMs` is its projection. */
export interface BackupCode {
  /** Lower-case UUID. */
  id: string;
  userId: string;
  /** Codes made together; only the set that the account names counts. */
  setId: string;
  /** The sealed Argon2id PHC string; all codes of a set share one salt. */
  // S37
  hash: string;
  usedAtMs: number | null;
  /** As with an authenticator: collected after this time unless the account names the set. `null` while it does. */
  expiresAtMs: number | null;
}
