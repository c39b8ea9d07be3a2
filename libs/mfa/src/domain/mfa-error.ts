/** The error codes of the library. They are stable. `MfaException` and its response body have one as `code`. */
export type MfaErrorCode =
  | 'MFA_CODE_REJECTED'
  | 'MFA_TOKEN_INVALID'
  | 'MFA_STEP_UP_REQUIRED'
  | 'MFA_PROOF_REQUIRED'
  | 'MFA_NOT_AUTHENTICATED'
  | 'MFA_ENROLLMENT_REQUIRED'
  | 'MFA_REQUIRED_BY_POLICY'
  | 'MFA_TOO_MANY_AUTHENTICATORS'
  | 'MFA_NOT_ENABLED'
  | 'MFA_SETUP_NOT_FOUND'
  | 'MFA_AUTHENTICATOR_NOT_FOUND'
  | 'MFA_DEVICE_NOT_FOUND'
  | 'MFA_LOCKED'
  | 'MFA_BUSY'
  | 'MFA_BAD_REQUEST'
  /** A stored secret cannot be decrypted. Only the log contains this code; the response is that of a wrong code. */
  // S3
  | 'MFA_SECRET_UNREADABLE'
  /** An option, a key, the host class or the database schema is wrong. Thrown at start, or by the first request that finds it. */
  | 'MFA_MISCONFIGURED';

/** A proof that a change of factors requires. */
export type MfaRequiredProof = 'code' | 'passkey' | 'backup_code' | 'recovery_code' | 'password' | 'recent-sign-in';

/** The details of an error besides its code. */
export interface MfaErrorDetails {
  /** Message for people, without code, secret, token and user id. @default the default message of the error code */
  // S64
  message?: string | string[] | undefined;
  /** Whole seconds until the next attempt can succeed, at least 1. Sent as `Retry-After`. */
  retryAfterSeconds?: number | undefined;
  /** For `MFA_STEP_UP_REQUIRED`: the maximum age of the second factor in seconds (RFC 9470 §3). */
  maxAgeSeconds?: number | undefined;
  /** For `MFA_STEP_UP_REQUIRED`: whether the second factor must be a passkey or security key. */
  phishingResistant?: boolean | undefined;
  /** For `MFA_ENROLLMENT_REQUIRED`: the user must enroll one of these methods. */
  methods?: readonly string[] | undefined;
  /** For `MFA_PROOF_REQUIRED`: the change requires one of these proofs. */
  proof?: readonly MfaRequiredProof[] | undefined;
  cause?: unknown;
}

const ERROR_BRAND = Symbol.for('nestjs-mfa:error');

/**
 * An error of the domain, without a framework. It is recognised by its brand, not by `instanceof`. Public methods convert
 * it to an `MfaException`.
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

/** `MFA_BUSY` for what may succeed a second later: a race was lost, or the database cannot be used. */
export function busyError(cause?: unknown): MfaError {
  return new MfaError('MFA_BUSY', { retryAfterSeconds: 1, cause });
}

/** Whether `error` is an {@link MfaError}, also when another copy of the library created it. */
export function isMfaError(error: unknown): error is MfaError {
  return typeof error === 'object' && error !== null && ERROR_BRAND in error;
}

/**
 * The code or the name of an error, for a log. Its message is left out, because it could quote a secret. Never throws, also
 * for a value of the host whose getters or proxy throw.
 */
// S64, S122
export function errorName(error: unknown): string {
  try {
    const name: unknown = isMfaError(error) ? error.code : error instanceof Error && error.name;
    if (typeof name === 'string') return name;
  } catch {
    // It has no readable name.
  }
  return typeof error;
}
