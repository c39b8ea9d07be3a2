/** What a route requires of its caller. */
export type MfaRoute =
  /** A valid, unspent mfa_token. */
  | { kind: 'challenge' }
  /** An mfa_token of right signature and lifetime, on the module's own route: it spends the token, and finds out whether it can. */
  | { kind: 'verification' }
  /** A signed-in user; for the module's own routes. */
  | { kind: 'principal' }
  /** Nothing. */
  | { kind: 'open' }
  /**
   * A signed-in user whose sign-in passed a second factor: what every unmarked route requires. With `ifEnabled` also a
   * signed-in user who has no authenticator.
   */
  | { kind: 'second-factor'; maxAgeSeconds?: number; ifEnabled?: boolean };

/** Metadata key of {@link MfaRoute}: a symbol of the library, so that no metadata of a host opens a guard. */
// S47
export const MFA_ROUTE = Symbol.for('nestjs-mfa:route');
