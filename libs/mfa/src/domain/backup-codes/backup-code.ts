/** A stored backup code. The usage table decides whether it is spent; `usedAtMs` is for display only. */
export interface BackupCode {
  /** Lower-case UUID. */
  id: string;
  userId: string;
  /** The set of codes that were generated together. Only codes of the set that the account names are accepted. */
  setId: string;
  /** The sealed Argon2id PHC string; all codes of a set share one salt. */
  // S37
  hash: string;
  usedAtMs: number | null;
  /** From this time the cleanup may remove the code, unless the account names its set. `null` while the account names it. */
  expiresAtMs: number | null;
}
