import type { ExecutionContext } from '@nestjs/common';
import type { MfaPrincipal } from '../host/mfa-host.js';
import type { MfaSessionOf } from '../host/require-principal.js';
import type { MfaConfirmation, MfaEnrolledLogin, MfaSetup, MfaEnrollmentToken } from './enrollment-results.js';
import type { MfaReauthenticationProof } from './reauthentication-check.js';

/**
 * Enrollment of an authenticator app. The TOTP factor implements it, so that this room knows no factor. The methods are
 * documented at `MfaEnrollmentService`.
 */
export abstract class AppEnrollment {
  abstract setup(
    caller: MfaPrincipal | MfaEnrollmentToken,
    request: MfaReauthenticationProof & { name?: string },
    context?: ExecutionContext,
  ): Promise<MfaSetup>;

  abstract confirm(
    caller: MfaSessionOf | MfaEnrollmentToken,
    code: string,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin>;

  abstract cancelSetup(caller: MfaSessionOf | MfaEnrollmentToken, context?: ExecutionContext): Promise<void>;
}
