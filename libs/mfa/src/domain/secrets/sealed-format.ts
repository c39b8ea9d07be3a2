import { MfaError } from '../mfa-error.js';

/** What a sealed value belongs to. It opens nowhere else. */
// S2
export interface SealContext {
  /** `login-state` travels in an mfa_token; the others are stored. */
  purpose: 'totp-secret' | 'backup-code' | 'login-state';
  userId: string;
  /** The id of the authenticator, of the backup code or of the mfa_token. */
  credentialId: string;
}

/** A way in which a stored value may be sealed. The box refuses what no format recognises. */
// S10
export interface SealedFormat {
  /** Whether a value is meant to be of this format, intact or not; cheap, and never throws. */
  recognises(sealed: string): boolean;
  /** The plaintext. Throws `MFA_SECRET_UNREADABLE`. */
  open(sealed: string, context: SealContext): Buffer;
}

/** `reason` is for the operator; it holds no secret, no ciphertext and no user id. */
// S64
export function unreadable(reason: string, cause?: unknown): MfaError {
  return new MfaError('MFA_SECRET_UNREADABLE', { message: `A sealed value cannot be opened: ${reason}`, cause });
}
