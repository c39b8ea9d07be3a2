import { type ExecutionContext, Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { ActiveFactor, MfaAccount } from '../domain/accounts/account.js';
import { MfaClock } from '../domain/clock.js';
import { enrollmentMethodsOf, type Factor, MFA_FACTORS } from '../domain/factors/factor.js';
import { busyError, errorName, MfaError } from '../domain/mfa-error.js';
import { enforcedFromMs, hasAllowedFactor, type Policy } from '../domain/policy/policy.js';
import { MfaPolicySeenStore } from '../domain/policy/policy-seen.store.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaHostAccess } from '../host/host-access.js';
import { misconfigured } from '../options/option-checks.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { readPolicy } from './read-policy.js';

/** Asks for the policy of a user, and decides when it is enforced. */
@Injectable()
@ThrowsMfaException()
export class LoginPolicies implements OnModuleInit {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly host: MfaHostAccess,
    private readonly seen: MfaPolicySeenStore,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** Whether a user without a factor may enroll within a login. */
  get canEnrollInLogin(): boolean {
    return this.options.allowPasswordOnly || typeof this.host.instance.authorizeEnrollment === 'function';
  }

  onModuleInit(): void {
    const { policy } = this.options;
    if (policy !== null) this.read(policy, 'option `policy`');
    if (policy !== null && typeof this.host.instance.policy === 'function') {
      throw misconfigured('give either option `policy` or `MfaHost.policy`, not both');
    }
    if (this.host.hasPolicy && !this.canEnrollInLogin) {
      throw misconfigured(
        'a policy lets users enroll within a login. Implement `MfaHost.authorizeEnrollment`, which decides who may, or set option `enrollment.allowPasswordOnly: true`: then the first factor alone is enough',
      );
    }
  }

  /**
   * The policy of a user. `null` = there is none.
   * @throws MfaError `MFA_BUSY` if the host throws or returns `undefined`; `MFA_MISCONFIGURED` for an unusable policy
   */
  // S103
  async of(userId: string, context?: ExecutionContext): Promise<Policy | null> {
    const { policy } = this.options;
    if (policy !== null) return this.read(policy, 'option `policy`');
    if (!this.host.hasPolicy) return null;
    const given: unknown = await this.host
      .call((host) => host.policy?.(userId, context))
      .catch((cause: unknown) => {
        this.logger.error(`MfaHost.policy failed, so the request is refused: ${errorName(cause)}`);
        throw busyError(cause);
      });
    if (given === undefined) {
      this.logger.error('MfaHost.policy returned undefined, so the request is refused. Return null for no policy');
      throw busyError();
    }
    return given === null ? null : this.read(given, 'MfaHost.policy');
  }

  /**
   * When the policy is enforced for the user, in epoch milliseconds. `null` = it requires nothing. The first call for a user
   * and policy stores the time.
   * @param firstSeenAtMs where it was read, the time of the first login under this policy; `null` = there was none
   */
  // S101
  async enforcedFrom(userId: string, policy: Policy | null, firstSeenAtMs?: number | null): Promise<number | null> {
    if (!policy?.required) return null;
    const known = firstSeenAtMs === undefined ? await this.seen.firstSeen(userId, policy.id) : firstSeenAtMs;
    return enforcedFromMs(policy, known ?? (await this.seen.record(userId, policy.id, this.clock.nowMs())));
  }

  /** Like {@link enforcedFrom}, for a report. Stores nothing: a user who was not seen yet counts as seen now. */
  async wouldBeEnforcedFrom(userId: string, policy: Policy | null): Promise<number | null> {
    if (!policy?.required) return null;
    return enforcedFromMs(policy, (await this.seen.firstSeen(userId, policy.id)) ?? this.clock.nowMs());
  }

  /**
   * Checks before a removal that the user keeps an allowed factor where the policy requires one.
   * @param left the factors after the removal
   * @throws MfaError `MFA_REQUIRED_BY_POLICY`
   */
  // S102
  async requireRemovable(
    account: MfaAccount,
    left: readonly ActiveFactor[],
    context?: ExecutionContext,
  ): Promise<void> {
    const policy = await this.of(account.userId, context);
    if (!policy?.required || hasAllowedFactor({ activeFactors: left }, { policy })) return;
    if (left.length === 0 || hasAllowedFactor(account, { policy })) throw new MfaError('MFA_REQUIRED_BY_POLICY');
  }

  private read(given: unknown, source: string): Policy {
    return readPolicy(given, source, enrollmentMethodsOf(this.factors, { policy: null }));
  }
}
