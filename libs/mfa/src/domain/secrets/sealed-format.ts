import { MfaError } from '../mfa-error.js';

/** The place of a sealed value. It can be opened only with the same context. */
// S2
export interface SealContext {
  /** `login-state` is part of an mfa_token; the others are stored in the database. */
  purpose: 'totp-secret' | 'backup-code' | 'login-state';
  userId: string;
  /** The id of the authenticator, of the backup code or of the mfa_token. */
  credentialId: string;
}

/** A format of sealed values. The box refuses a value that no format recognises. */
// S10
export interface SealedFormat {
  /** Whether a value has this format, damaged or not. Fast, and never throws. */
  recognises(sealed: string): boolean;
  /**
   * Decrypts the value.
   * @throws MfaError `MFA_SECRET_UNREADABLE`
   */
  open(sealed: string, context: SealContext): Buffer;
}

/** The error for a value that cannot be opened. `reason` is for the operator, without secret, ciphertext and user id. */
// S64
export function unreadable(reason: string, cause?: unknown): MfaError {
  return new MfaError('MFA_SECRET_UNREADABLE', { message: `A sealed value cannot be opened: ${reason}`, cause });
}
