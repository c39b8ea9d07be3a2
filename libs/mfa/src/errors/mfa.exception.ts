import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';
import { isMfaError, type MfaErrorCode, type MfaErrorDetails, type MfaRequiredProof } from '../domain/mfa-error.js';

/** HTTP status and default message of each error code. */
const RESPONSES: Record<MfaErrorCode, readonly [status: number, message: string]> = {
  MFA_CODE_REJECTED: [401, 'The code was not accepted. If it was just used, wait for the next one.'],
  MFA_TOKEN_INVALID: [401, 'The mfa_token is missing, expired or spent. Sign in again.'],
  MFA_STEP_UP_REQUIRED: [401, 'A more recent second factor is required.'],
  MFA_PROOF_REQUIRED: [401, 'This change needs a current code, or a new sign-in.'],
  MFA_NOT_AUTHENTICATED: [401, 'Sign in first.'],
  MFA_REQUIRED_BY_POLICY: [403, 'A second factor is required. Add another one before you remove this one.'],
  MFA_ENROLLMENT_REQUIRED: [403, 'A second factor must be set up first.'],
  MFA_TOO_MANY_AUTHENTICATORS: [409, 'No further authenticator can be added. Remove one first.'],
  MFA_NOT_ENABLED: [409, 'Multi-factor authentication is not enabled.'],
  MFA_SETUP_NOT_FOUND: [404, 'There is no setup to confirm, or it expired. Start again.'],
  MFA_AUTHENTICATOR_NOT_FOUND: [404, 'There is no such authenticator.'],
  MFA_DEVICE_NOT_FOUND: [404, 'There is no such device.'],
  MFA_LOCKED: [429, 'Too many attempts. Wait, or use another factor.'],
  MFA_BUSY: [503, 'Too busy at the moment. Try again shortly.'],
  MFA_BAD_REQUEST: [400, 'The request is malformed.'],
  MFA_SECRET_UNREADABLE: [401, 'The code was not accepted. If it was just used, wait for the next one.'],
  MFA_MISCONFIGURED: [500, 'The server is misconfigured.'],
};

const BRAND = Symbol.for('nestjs-mfa:exception');

/** The name of each missing proof in a message. */
const PROOFS: Record<MfaRequiredProof, string> = {
  code: 'a current code',
  passkey: 'a passkey',
  backup_code: 'a backup code',
  recovery_code: 'a recovery code from your administrator',
  password: 'the password',
  'recent-sign-in': 'a sign-in within the last minutes',
};

function defaultMessage(code: MfaErrorCode, { proof = [] }: MfaErrorDetails): string {
  if (proof.length === 0) return RESPONSES[code][1];
  return `This change needs ${proof.map((each) => PROOFS[each]).join(' or ')}.`;
}

/**
 * The one exception that the services and the guard throw. It extends `HttpException`, so Nest's default filter and the
 * filters of the host handle it.
 *
 * Response body: `{ statusCode, code, message, error, proof?, retryAfterSeconds? }`.
 * @example
 * try {
 *   await this.verification.verify(challenge, { code });
 * } catch (error) {
 *   if (error instanceof MfaException && error.code === 'MFA_CODE_REJECTED') this.metrics.wrongCode();
 *   throw error;
 * }
 */
export class MfaException extends HttpException {
  readonly [BRAND] = true;

  constructor(
    /** The stable code. */
    readonly code: MfaErrorCode,
    readonly details: MfaErrorDetails = {},
  ) {
    const [statusCode] = RESPONSES[code];
    const { message = defaultMessage(code, details), proof, methods, retryAfterSeconds, cause } = details;
    const body = {
      statusCode,
      code,
      message,
      error: STATUS_CODES[statusCode],
      ...(proof === undefined ? {} : { proof }),
      ...(methods === undefined ? {} : { methods }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
    super(body, statusCode, { cause });
    this.message = [message].flat().join('; ');
  }

  /** Response headers of this error, such as `Retry-After`. `MfaExceptionFilter` sends them. */
  get headers(): Record<string, string> {
    const headers: Record<string, string> = { 'Cache-Control': 'no-store' };
    if (this.details.retryAfterSeconds !== undefined) headers['Retry-After'] = String(this.details.retryAfterSeconds);
    if (this.code === 'MFA_STEP_UP_REQUIRED') headers['WWW-Authenticate'] = stepUpChallenge(this.details);
    return headers;
  }

  /** The response body, for GraphQL: graphql-js copies `extensions` of the original error into its own. */
  get extensions(): object {
    return this.getResponse() as object;
  }
}

/** The value of `WWW-Authenticate` (RFC 9470 §3). */
function stepUpChallenge({ maxAgeSeconds, phishingResistant }: MfaErrorDetails): string {
  const required = phishingResistant ? 'A passkey or security key' : 'A more recent second factor';
  return [
    'Bearer error="insufficient_user_authentication"',
    `error_description="${required} is required"`,
    // `phr` is phishing-resistant authentication (OpenID EAP ACR Values 1.0 §2).
    ...(phishingResistant ? ['acr_values="phr"'] : []),
    ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
  ].join(', ');
}

/** Whether `error` is an {@link MfaException}, also when another copy of the library created it. */
export function isMfaException(error: unknown): error is MfaException {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** Converts an error of the domain to an {@link MfaException}. Returns any other error unchanged. */
export function toMfaException(error: unknown): unknown {
  if (!isMfaError(error)) return error;
  // A decryption failure names neither row nor key to the client (S3).
  const message = error.code === 'MFA_SECRET_UNREADABLE' ? undefined : error.details.message;
  return new MfaException(error.code, { ...error.details, message, cause: error });
}
