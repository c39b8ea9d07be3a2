/** Every stable error code of the library: `code` of an `MfaException` and of its response body. */
export type MfaErrorCode =
  | 'MFA_CODE_REJECTED'
  | 'MFA_TOKEN_INVALID'
  | 'MFA_STEP_UP_REQUIRED'
  | 'MFA_PROOF_REQUIRED'
  | 'MFA_NOT_AUTHENTICATED'
  | 'MFA_ENROLLMENT_REQUIRED'
  | 'MFA_TOO_MANY_AUTHENTICATORS'
  | 'MFA_NOT_ENABLED'
  | 'MFA_SETUP_NOT_FOUND'
  | 'MFA_AUTHENTICATOR_NOT_FOUND'
  | 'MFA_LOCKED'
  | 'MFA_BUSY'
  | 'MFA_BAD_REQUEST'
  /** Never leaves the process as such: a stored secret that cannot be opened counts as a wrong code. */
  // S3
  | 'MFA_SECRET_UNREADABLE'
  /** An option, a key, a host or a migration is wrong. Thrown at boot, or by the first request that shows it. */
  | 'MFA_MISCONFIGURED';

/** A proof that a change of factors needs. */
export type MfaRequiredProof = 'code' | 'password' | 'recent-sign-in';

export interface MfaErrorDetails {
  /** Text for people; never a code, secret, token or user id. Derived from the code when left out. */
  // S64
  message?: string | string[] | undefined;
  /** Seconds until another try can succeed; whole, at least 1. */
  retryAfterSeconds?: number | undefined;
  /** For `MFA_STEP_UP_REQUIRED`: the age in seconds that the route allows (RFC 9470 §3). */
  maxAgeSeconds?: number | undefined;
  /** For `MFA_PROOF_REQUIRED`: the proofs of which one is missing. */
  proof?: readonly MfaRequiredProof[] | undefined;
  cause?: unknown;
}

const ERROR_BRAND = Symbol.for('nestjs-mfa:error');

/**
 * An error of the domain: free of frameworks, recognised by its brand and not by `instanceof`. Hosts never see it:
 * public methods throw `MfaException`.
 */
export class MfaError extends Error {
  // `isMfaError` looks at the key, not at the value.
  readonly [ERROR_BRAND] = true;
  readonly details: MfaErrorDetails;

  constructor(
    readonly code: MfaErrorCode,
    details: MfaErrorDetails = {},
  ) {
    super([details.message ?? code].flat().join('; '), { cause: details.cause });
    this.name = 'MfaError';
    this.details = details;
  }
}

/** Whether `error` is an {@link MfaError}, whichever copy of the library made it. */
export function isMfaError(error: unknown): error is MfaError {
  return typeof error === 'object' && error !== null && ERROR_BRAND in error;
}
