import type { ExecutionContext } from '@nestjs/common';
import type { MfaPrincipal } from '../host/mfa-host.js';
import type { MfaConfirmation, MfaEnrolledLogin, MfaEnrollmentToken } from './enrollment-results.js';
import type { MfaReauthenticationProof } from './reauthentication-check.js';

/** A credential of a factor of the host, to be named in the account row. */
export interface MfaFactorActivation {
  /** `method` of the factor. */
  type: string;
  /**
   * Id of the credential in the table of the host: 1 to 36 characters of `A-Z`, `a-z`, `0-9`, `_` and `-`. Routes name an
   * authenticator by its id alone, so no two authenticators of a user may have the same one. Use UUIDs.
   */
  id: string;
  /** For events. */
  name: string;
}

/**
 * Enrollment of a credential of the host. `factors/` implements it, so that this room knows no factor. The method is
 * documented at `MfaEnrollmentService`.
 */
export abstract class FactorEnrollment {
  abstract activate(
    caller: MfaPrincipal | MfaEnrollmentToken,
    credential: MfaFactorActivation,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin>;
}
