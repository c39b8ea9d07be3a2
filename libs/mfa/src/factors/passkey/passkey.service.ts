import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import type { MfaChallenge } from '../../challenge/mfa-challenge.js';
import type { MfaPasskeyRegistration } from '../../domain/passkeys/passkey-json.js';
import type { MfaConfirmation, MfaEnrolledLogin, MfaEnrollmentToken } from '../../enrollment/enrollment-results.js';
import type { MfaReauthenticationProof } from '../../enrollment/reauthentication-check.js';
import { ThrowsMfaException } from '../../errors/throws-mfa-exception.js';
import type { MfaPrincipal } from '../../host/mfa-host.js';
import type { MfaSessionOf } from '../../host/require-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { requirePasskeys } from '../../options/resolve-passkeys.js';
import { ProofPreparation } from '../../verification/proof-preparation.js';
import { PasskeyEnrollment, type MfaPasskeySetup } from './passkey-enrollment.js';
import type { MfaPasskeyOptionsResult } from './passkey.factor.js';

/**
 * Registers passkeys and security keys, and makes the options that browsers need. Requires the option `passkeys`. A
 * passkey is renamed and removed like every authenticator. Call it outside your database transactions.
 * @example
 * const { options } = await this.passkeys.setup(principal, { password });
 * // After the browser ran navigator.credentials.create() with these options:
 * const { backupCodes } = await this.passkeys.confirm(principal, { name: 'Laptop', passkey });
 */
@Injectable()
@ThrowsMfaException()
export class MfaPasskeyService {
  constructor(
    private readonly preparation: ProofPreparation,
    private readonly enrollment: PasskeyEnrollment,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly resolved: ResolvedMfaOptions,
  ) {}

  /**
   * Starts the registration of a passkey. The options are valid for 5 minutes, for this session, and until the factors or
   * the backup codes of the user change.
   * @param caller the principal, or `{ mfa_token }` of a login that must enroll
   * @throws MfaException `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY`,
   * `MFA_TOO_MANY_AUTHENTICATORS` if the user has `passkeys.max`; `MFA_MISCONFIGURED` without the option `passkeys`
   */
  async setup(
    caller: MfaPrincipal | MfaEnrollmentToken,
    proof: MfaReauthenticationProof = {},
    context?: ExecutionContext,
  ): Promise<MfaPasskeySetup> {
    return this.enrollment.setup(caller, proof, context);
  }

  /**
   * Confirms the registration by the response of `navigator.credentials.create()`. A first factor also gets backup codes.
   * With the token of a login that must enroll, it also spends the token, calls `MfaHost.completeLogin`, and returns its
   * result as `login`.
   * @throws MfaException `MFA_CODE_REJECTED` for every response that is not accepted, also if another user has the
   * passkey; `MFA_TOO_MANY_AUTHENTICATORS`, `MFA_BAD_REQUEST`, `MFA_BUSY`; `MFA_MISCONFIGURED` without the option
   * `passkeys`
   */
  async confirm(
    principal: MfaSessionOf,
    request: { name?: string | null | undefined; passkey: MfaPasskeyRegistration },
    context?: ExecutionContext,
  ): Promise<MfaConfirmation>;
  async confirm(
    token: MfaEnrollmentToken,
    request: { name?: string | null | undefined; passkey: MfaPasskeyRegistration },
    context: ExecutionContext,
  ): Promise<MfaEnrolledLogin>;
  async confirm(
    caller: MfaSessionOf | MfaEnrollmentToken,
    request: { name?: string | null | undefined; passkey: MfaPasskeyRegistration },
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    return this.enrollment.confirm(caller, request, context);
  }

  /**
   * Makes the options for `navigator.credentials.get()`. One statement, no write.
   * @param caller the challenge or mfa_token of a login, or the signed-in user. Check that an mfa_token of a request body is
   * a string before you pass it: an object counts as a principal
   * @param request `purpose` of a signed-in user: `step-up`, or `change` for a change of factors. @default 'step-up'
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND` if the user has no passkey; `MFA_TOKEN_INVALID`,
   * `MFA_NOT_AUTHENTICATED`, `MFA_BAD_REQUEST`, `MFA_BUSY`; `MFA_MISCONFIGURED` without the option `passkeys`
   */
  async options(
    caller: MfaChallenge | string | MfaPrincipal,
    request: { purpose?: 'verify' | 'step-up' | 'change' | null | undefined } = {},
    context?: ExecutionContext,
  ): Promise<MfaPasskeyOptionsResult> {
    requirePasskeys(this.resolved);
    const prepared = await this.preparation.prepare(caller, { method: 'passkey', purpose: request.purpose, context });
    return prepared as MfaPasskeyOptionsResult;
  }
}
