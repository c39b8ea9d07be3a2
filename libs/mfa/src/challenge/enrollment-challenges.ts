import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { enrollmentMethodsOf, type Factor, MFA_FACTORS } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import { hasAllowedFactor, type LoginRules } from '../domain/policy/policy.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { LoginPolicies } from '../policy/login-policies.js';
import { ChallengeTokens, type MfaChallengeResult, type MfaOpenChallenge, type SignedLogin } from './mfa-challenge.js';
import type { EnrollmentClaims, EnrollmentTokenClaims } from './mfa-token.js';

type EnrollmentRequired = Extract<MfaChallengeResult, { enrollmentRequired: true }>;

/** A token of an enrollment that was read, with the rules that hold now. */
export interface OpenEnrollment {
  claims: EnrollmentTokenClaims;
  rules: LoginRules;
  /** The methods that the user can enroll. */
  methods: string[];
}

/** Logins that must enroll a factor before a session is opened. */
// S100
@Injectable()
export class EnrollmentChallenges {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly tokens: ChallengeTokens,
    private readonly policies: LoginPolicies,
    private readonly events: MfaEvents,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Signs the token of an enrollment, and returns the result of the login.
   * @throws MfaError `MFA_MISCONFIGURED` if the rules leave no method that the user could enroll
   */
  issue(
    login: SignedLogin,
    enrollment: EnrollmentClaims,
    { rules, context }: { rules: LoginRules; context?: ExecutionContext | undefined },
  ): EnrollmentRequired {
    const enrollmentMethods = enrollmentMethodsOf(this.factors, rules);
    if (enrollmentMethods.length === 0) {
      throw new MfaError('MFA_MISCONFIGURED', {
        message: 'MfaModule: the policy and `firstFactor` of the login leave no method that the user could enroll',
      });
    }
    const token = this.tokens.signEnrollment(login, enrollment);
    const { userId } = login;
    this.events.emit({ type: 'mfa.challenge.issued', userId, enrollmentRequired: true }, context);
    const expiresIn = this.options.enrollmentTokenSeconds;
    return { mfaRequired: true, enrollmentRequired: true, mfa_token: token, methods: [], enrollmentMethods, expiresIn };
  }

  /**
   * Reads a token, and asks for the policy as it is now. Whether the token still holds is decided with the account.
   * @throws MfaError `MFA_TOKEN_INVALID` if it is malformed, foreign or expired; `MFA_BUSY`
   */
  async open(token: string, context?: ExecutionContext): Promise<OpenEnrollment> {
    const claims = this.tokens.readEnrollment(token);
    const rules = { policy: await this.policies.of(claims.userId, context), firstFactor: claims.firstFactor };
    return { claims, rules, methods: enrollmentMethodsOf(this.factors, rules) };
  }

  /**
   * Returns the result of the login again, without the token.
   * @throws MfaError `MFA_TOKEN_INVALID` if it is malformed, foreign, expired, spent or revoked; `MFA_BUSY`
   */
  async describe(token: string, context?: ExecutionContext): Promise<MfaOpenChallenge> {
    const { claims, rules, methods } = await this.open(token, context);
    const snapshot = await this.accounts.load(claims.userId, claims.tokenId);
    const remainingMs = claims.expiresAtMs - this.clock.nowMs();
    if (!snapshot || !enrollmentHolds(snapshot, claims, rules) || remainingMs <= 0)
      throw new MfaError('MFA_TOKEN_INVALID');
    const expiresIn = Math.ceil(remainingMs / 1000);
    return { mfaRequired: true, enrollmentRequired: true, methods: [], enrollmentMethods: methods, expiresIn };
  }
}

/**
 * Whether the token of an enrollment holds for this account. It ends with every change of the security stamp, when the
 * policy that required it no longer does, and as soon as the user has a factor: after a proof an allowed one, else any.
 */
// S100
export function enrollmentHolds(
  { account, tokenSpent }: Pick<AccountSnapshot, 'account' | 'tokenSpent'>,
  { userId, securityStamp, enrollment }: EnrollmentTokenClaims,
  rules: LoginRules,
): boolean {
  const { reason, policyId, proved } = enrollment;
  if (account.userId !== userId || account.securityStamp !== securityStamp || tokenSpent) return false;
  if (reason === 'recovery') return true;
  const { policy } = rules;
  const isStillRequired =
    reason === 'reset' ? account.mustEnrollSinceMs !== null : policy?.required === true && policy.id === policyId;
  return isStillRequired && (proved ? !hasAllowedFactor(account, rules) : account.activeFactors.length === 0);
}
