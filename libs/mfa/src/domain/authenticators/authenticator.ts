/** Hash algorithms that authenticator apps support (Key URI format). */
export const TOTP_ALGORITHMS = ['SHA1', 'SHA256', 'SHA512'] as const;
export type TotpAlgorithm = (typeof TOTP_ALGORITHMS)[number];

/** How codes are generated from a secret (RFC 6238 §4; digits RFC 4226 §5.3). */
export interface TotpParameters {
  algorithm: TotpAlgorithm;
  /** 6 to 8. */
  digits: number;
  periodSeconds: number;
}

/** A stored TOTP secret. Only the account row decides whether it is pending, active or removed. */
export interface Authenticator extends TotpParameters {
  /** Lower-case UUID. */
  id: string;
  userId: string;
  name: string;
  /** The sealed secret (see `domain/secrets`). */
  secret: string;
  createdAtMs: number;
  /** For display and reports only; the account row decides whether it is confirmed. */
  confirmedAtMs: number | null;
  lastUsedAtMs: number | null;
  /**
   * From this time the cleanup may remove the row, unless the account names it as active: the expiry of a pending setup,
   * or the end of the grace time that a removal sets. `null` while active.
   */
  expiresAtMs: number | null;
  /** Hash of the session that may confirm this setup (see `setupBinding`). `null` = the principal has no `sessionId`. */
  setupBinding: string | null;
}
