import type { MfaEventAuthenticator } from '../host/mfa-event.js';
import type { MfaStepUp } from '../host/mfa-host.js';

/** What a person needs to enroll an authenticator app. Show it once, with `Cache-Control: no-store`. */
export interface MfaSetup {
  authenticatorId: string;
  /** Base32, 32 characters for the 20 bytes of SHA1; 52 for SHA256 and 103 for SHA512. */
  secret: string;
  /** The same in groups of four, for typing. */
  manualKey: string;
  otpauthUri: string;
  /** PNG data URL. */
  qrCode: string;
  qrSvg: string;
  /** When the pending secret expires. */
  expiresAt: Date;
  /** Whether this session had begun the setup before: then nothing was changed. */
  resumed: boolean;
}

/** What a removal took away. */
export interface MfaRemoval {
  /** Whether an authenticator is left. */
  enabled: boolean;
  /** Names can be swapped by a rename; the creation time cannot. Left out where the row was missing. */
  removed?: MfaEventAuthenticator;
  /** What `MfaHost.revokeSessions` returned. */
  session?: unknown;
}

/** A confirmed enrollment: it counts as a second factor of the running session. */
export interface MfaConfirmation {
  enabled: true;
  /** Only when a set was newly made; shown once. */
  backupCodes?: string[];
  stepUp: MfaStepUp;
}
