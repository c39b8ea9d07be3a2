/** What a route requires of its caller. */
export type MfaRoute =
  /** A valid, unspent mfa_token. */
  | { kind: 'challenge' }
  /** An mfa_token with a right signature and lifetime. For the built-in route, which checks and spends it later. */
  | { kind: 'verification' }
  /** A signed-in user; for the module's own routes. */
  | { kind: 'principal' }
  /** A signed-in user, or an mfa_token with a right signature and lifetime; for the module's own routes. */
  | { kind: 'either' }
  /** An mfa_token or an enrollment token with a right signature and lifetime; for the module's own routes. */
  | { kind: 'login' }
  /** A signed-in user, or an enrollment token with a right signature and lifetime; for the module's own routes. */
  | { kind: 'enrollment' }
  /** Nothing. */
  | { kind: 'open' }
  /**
   * A signed-in user whose session passed a second factor. A route without a decorator requires this. `ifEnabled` also
   * admits a signed-in user without an authenticator. `phishingResistant` requires that the newest proof was a passkey.
   */
  | { kind: 'second-factor'; maxAgeSeconds?: number; ifEnabled?: boolean; phishingResistant?: boolean };

/** Metadata key of {@link MfaRoute}: a symbol of the library, so that no metadata of a host opens a guard. */
// S47
export const MFA_ROUTE = Symbol.for('nestjs-mfa:route');
