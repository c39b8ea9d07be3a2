import { MfaError } from '../domain/mfa-error.js';

const DEFAULT_NAME = 'Authenticator app';
const LONGEST_NAME = 64;

/**
 * An authenticator's name as it is stored: trimmed, 1 to 64 characters without control characters.
 * @throws MfaError `MFA_BAD_REQUEST`
 */
export function readName(name: unknown = DEFAULT_NAME): string {
  const trimmed = typeof name === 'string' ? name.trim() : '';
  if (trimmed === '' || trimmed.length > LONGEST_NAME || /[\p{Cc}\p{Cs}]/u.test(trimmed)) {
    throw new MfaError('MFA_BAD_REQUEST', {
      message: [`name must be a string of 1 to ${LONGEST_NAME} characters without control characters`],
    });
  }
  return trimmed;
}
