import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeFactorOf, type AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import { readName } from '../enrollment/authenticator-name.js';
import { EnrollmentCompletion } from '../enrollment/enrollment-completion.js';
import { accountOf, Enrollers } from '../enrollment/enrollers.js';
import type { MfaConfirmation, MfaEnrolledLogin, MfaEnrollmentToken } from '../enrollment/enrollment-results.js';
import { FactorEnrollment, type MfaFactorActivation } from '../enrollment/factor-enrollment.js';
import { ReauthenticationCheck, type MfaReauthenticationProof } from '../enrollment/reauthentication-check.js';
import { eventAuthenticator } from '../events/mfa-events.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from '../verification/attempt-limiter.js';
import { FactorActivation, hasSameFactors } from './backup-codes/factor-activation.js';
import { HostFactor } from './host-factor.js';

const CREDENTIAL_ID = /^[A-Za-z0-9_-]{1,36}$/;

/** Names the credentials of the host's factors in the account row. */
@Injectable()
export class HostFactorEnrollment extends FactorEnrollment {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly proof: ReauthenticationCheck,
    private readonly activation: FactorActivation,
    private readonly enrollers: Enrollers,
    private readonly completion: EnrollmentCompletion,
    private readonly clock: MfaClock,
    private readonly limiter: AttemptLimiter,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  async activate(
    caller: MfaPrincipal | MfaEnrollmentToken,
    { type, id, name: given }: MfaFactorActivation,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    this.requireCredential(type, id);
    const enroller = await this.enrollers.of(caller, type, context);
    const name = readName(given);
    const proved = await accountOf(this.accounts, enroller, this.clock.nowMs());
    if (activeFactorOf(proved.account, id))
      throw new MfaError('MFA_BAD_REQUEST', { message: ['this authenticator is active already'] });
    await this.proof.forSetup(proved, enroller, { ...offered, context });
    const authenticator = eventAuthenticator(type, { id, name, createdAtMs: this.clock.nowMs() });
    const activated = await this.activation.activate({
      enroller,
      proved,
      factor: { type, id },
      authenticator,
      context,
      isCurrent: (current) => hasSameFactors(current, proved),
      reject: () => new MfaError('MFA_CODE_REJECTED'),
    });
    const { after } = activated;
    const enrolled = {
      ...activated,
      securityStamp: after.account.securityStamp,
      authenticator,
      amr: ['mfa'],
      tidyUp: [...activated.tidyUp, ...this.reopening(after)],
    };
    return this.completion.complete(enroller, enrolled, context);
  }

  /**
   * Failures of factors that the user no longer has say nothing about the only one that counts now, and enrolling again is
   * the way out of a factor that too many failures disabled.
   */
  // S54
  private reopening({ account }: AccountSnapshot): (() => Promise<unknown>)[] {
    const counted = this.factors.filter(({ budget }) => budget === 'other').map(({ method }) => method);
    const left = account.activeFactors.filter(({ type }) => counted.includes(type)).length;
    const isReopened = left === 1 || account.budgets.other.failures >= this.options.attempts.disableAfter;
    return isReopened ? [() => this.limiter.endFailures(account.userId, 'other')] : [];
  }

  private requireCredential(type: string, id: string): void {
    const isKnown = this.factors.some((factor) => factor instanceof HostFactor && factor.method === type);
    if (!isKnown)
      throw new TypeError(`MfaEnrollmentService.activate: no factor in \`factors\` has the method '${type}'`);
    if (typeof id !== 'string' || !CREDENTIAL_ID.test(id))
      throw new TypeError('MfaEnrollmentService.activate: `id` must have 1 to 36 characters of A-Z, a-z, 0-9, _ and -');
  }
}
