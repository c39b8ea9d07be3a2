/** Hash algorithms that authenticator apps support (Key URI format). */
export const TOTP_ALGORITHMS = ['SHA1', 'SHA256', 'SHA512'] as const;
export type TotpAlgorithm = (typeof TOTP_ALGORITHMS)[number];

/** How codes are made from a secret (RFC 6238 §4; digits RFC 4226 §5.3). */
export interface TotpParameters {
  algorithm: TotpAlgorithm;
  /** 6 to 8. */
  digits: number;
  periodSeconds: number;
}

/** A stored TOTP secret. Whether it is pending, active or garbage is said by the account row alone. */
export interface Authenticator extends TotpParameters {
  /** Lower-case UUID. */
  id: string;
  userId: string;
  name: string;
  /** The sealed secret (see `domain/secrets`). */
  secret: string;
  createdAtMs: number;
  /** A projection for people and reports; the account row decides. */
  confirmedAtMs: number | null;
  lastUsedAtMs: number | null;
  /**
   * When the row may be collected unless the account names it as active: the pending secret's
   * expiry, or the grace time set just before a removal. `null` while active.
   */
  expiresAtMs: number | null;
  /** The session that may confirm this setup (see `setupBinding`); `null` = the host names no session. */
  setupBinding: string | null;
}
