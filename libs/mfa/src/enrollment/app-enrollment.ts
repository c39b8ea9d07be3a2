import type { ExecutionContext } from '@nestjs/common';
import type { MfaPrincipal } from '../host/mfa-host.js';
import type { MfaSessionOf } from '../host/require-principal.js';
import type { MfaConfirmation, MfaSetup } from './enrollment-results.js';
import type { MfaReauthenticationProof } from './reauthentication-check.js';

/**
 * Enrollment of an authenticator app. The TOTP factor implements it, so that this room knows no factor. The methods are
 * documented at `MfaEnrollmentService`.
 */
export abstract class AppEnrollment {
  abstract setup(
    principal: MfaPrincipal,
    request: MfaReauthenticationProof & { name?: string },
    context?: ExecutionContext,
  ): Promise<MfaSetup>;

  abstract confirm(principal: MfaSessionOf, code: string, context?: ExecutionContext): Promise<MfaConfirmation>;

  abstract cancelSetup(principal: MfaSessionOf, context?: ExecutionContext): Promise<void>;
}
