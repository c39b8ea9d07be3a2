import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { isMfaError, type MfaErrorCode, type MfaErrorDetails } from '../domain/mfa-error.js';

/** The one table of statuses and default texts. */
const ANSWERS: Record<MfaErrorCode, readonly [status: number, message: string]> = {
  MFA_CODE_REJECTED: [401, 'The code was not accepted. If it was just used, wait for the next one.'],
  MFA_TOKEN_INVALID: [401, 'The mfa_token is missing, expired or spent. Sign in again.'],
  MFA_STEP_UP_REQUIRED: [401, 'A more recent second factor is required.'],
  MFA_PROOF_REQUIRED: [401, 'This change needs a current code, or signing in again.'],
  MFA_NOT_AUTHENTICATED: [401, 'Sign in first.'],
  MFA_ENROLLMENT_REQUIRED: [403, 'A second factor must be set up first.'],
  MFA_ALREADY_ENABLED: [409, 'No further authenticator can be added; remove one first.'],
  MFA_NOT_ENABLED: [409, 'Multi-factor authentication is not enabled.'],
  MFA_SETUP_NOT_FOUND: [404, 'No setup awaits confirmation, or it expired. Start again.'],
  MFA_AUTHENTICATOR_NOT_FOUND: [404, 'There is no such authenticator.'],
  MFA_LOCKED: [429, 'Too many attempts. Wait, or use another factor.'],
  MFA_BUSY: [503, 'Too busy at the moment. Try again shortly.'],
  MFA_BAD_REQUEST: [400, 'The request is malformed.'],
  MFA_SECRET_UNREADABLE: [401, 'The code was not accepted. If it was just used, wait for the next one.'],
  MFA_MISCONFIGURED: [500, 'The server is misconfigured.'],
};

const BRAND = Symbol.for('nestjs-mfa:http-exception');

/**
 * What the services and the guard throw: an `HttpException`, so that it answers well from the host's own
 * controllers and filters too. Body: `{ statusCode, code, message, error, retryAfterSeconds? }`.
 */
export class MfaHttpException extends HttpException {
  readonly [BRAND] = true;

  constructor(
    readonly code: MfaErrorCode,
    readonly details: MfaErrorDetails = {},
  ) {
    const [statusCode, text] = ANSWERS[code];
    const message = details.message ?? text;
    const retryAfterSeconds = details.retryAfterSeconds;
    super(
      {
        statusCode,
        code,
        message,
        error: STATUS_CODES[statusCode],
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      },
      statusCode,
      { cause: details.cause },
    );
  }

  /** Response headers that belong to this answer. */
  get headers(): Record<string, string> {
    const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
    if (this.details.retryAfterSeconds !== undefined) headers['Retry-After'] = String(this.details.retryAfterSeconds);
    if (this.code === 'MFA_STEP_UP_REQUIRED') headers['WWW-Authenticate'] = stepUpChallenge(this.details.maxAgeSeconds);
    return headers;
  }
}

/** RFC 9470 §3. */
function stepUpChallenge(maxAgeSeconds: number | undefined): string {
  const challenge =
    'Bearer error="insufficient_user_authentication", error_description="A more recent second factor is required"';
  return maxAgeSeconds === undefined ? challenge : `${challenge}, max_age="${maxAgeSeconds}"`;
}

/** Whether `error` is an {@link MfaHttpException}, whichever copy of the library made it. */
export function isMfaHttpException(error: unknown): error is MfaHttpException {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** An error of the domain as its HTTP answer; anything else unchanged. */
export function toHttp(error: unknown): unknown {
  if (!isMfaError(error)) return error;
  // A decryption failure names neither row nor key to the client (S3).
  const message = error.code === 'MFA_SECRET_UNREADABLE' ? undefined : error.details.message;
  return new MfaHttpException(error.code, { ...error.details, message, cause: error });
}
