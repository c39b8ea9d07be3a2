import type { MfaEventAuthenticator } from '../host/mfa-event.js';
import type { MfaStepUp } from '../host/mfa-host.js';

/** The data to enroll an authenticator app. Show it once, with `Cache-Control: no-store`. */
export interface MfaSetup {
  authenticatorId: string;
  /** Base32, 32 characters for the 20 bytes of SHA1; 52 for SHA256 and 103 for SHA512. */
  secret: string;
  /** The secret in groups of four, for typing. */
  manualKey: string;
  otpauthUri: string;
  /** PNG data URL. */
  qrCode: string;
  qrSvg: string;
  /** When the pending secret expires. */
  expiresAt: Date;
  /** Whether this repeats a setup that this session has started before. Then nothing was changed. */
  resumed: boolean;
}

/** The result of a removal. */
export interface MfaRemoval {
  /** Whether an authenticator is left. */
  enabled: boolean;
  /** The removed authenticator. Left out if its row no longer existed. */
  removed?: MfaEventAuthenticator;
  /** The result of `MfaHost.revokeSessions`. */
  session?: unknown;
}

/** A confirmed enrollment: it counts as a second factor of the running session. */
export interface MfaConfirmation {
  enabled: true;
  /** The new backup codes, to show once. Left out if the user already had a set. */
  backupCodes?: string[];
  stepUp: MfaStepUp;
}

/** A confirmed enrollment within a login: the login is complete. */
export interface MfaEnrolledLogin {
  enabled: true;
  /** The new backup codes, to show once. Left out if the user already had a set. */
  backupCodes?: string[];
  /** The result of `MfaHost.completeLogin`. Left out if no session was opened; the user then signs in again. */
  login?: unknown;
}

/**
 * The token of a login that must enroll, in place of a principal. It is an object, so that a value of a request body never
 * counts as a principal.
 */
export interface MfaEnrollmentToken {
  mfa_token: string;
}
