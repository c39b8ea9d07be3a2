import { Inject, Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { type AccountSnapshot, isEnabled, requireUserId } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { openAccount } from '../domain/accounts/open-account.js';
import { type PresentedDevices, TrustedLogins } from '../devices/trusted-logins.js';
import { MfaClock } from '../domain/clock.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import { type Factor, methodsOf, MFA_FACTORS } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import type { LoginRules } from '../domain/policy/policy.js';
import { claimHolds } from '../domain/verification/attempt-rules.js';
import { amrAfterProof } from '../domain/verification/proof.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaLogin } from '../host/mfa-host.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { LoginPolicies } from '../policy/login-policies.js';
import { ChallengeCookie } from './challenge-cookie.js';
import { EnrollmentChallenges } from './enrollment-challenges.js';
import { type FirstFactor, type MfaIssueOptions, readFirstFactor } from './first-factor.js';
import { ChallengeTokens, MfaChallenge, type MfaChallengeResult, type MfaOpenChallenge } from './mfa-challenge.js';

const OTHER_CASE =
  'MfaChallengeService.issue got a user id of which an MFA account exists in another case. To nestjs-mfa these are two users: ' +
  'pass the id from the row of your user, never what was typed at the login';

export type { MfaDeviceExchange, MfaIssueOptions } from './first-factor.js';

/** A login whose first factor was right. */
interface IssueRequest {
  first: FirstFactor;
  rules: LoginRules;
  context: ExecutionContext | undefined;
}

/** A login with the device that it presents, and the row that was found for it. */
interface DeviceRequest {
  presented: PresentedDevices | null;
  device: TrustedDevice | null;
  request: IssueRequest;
}

/** Starts the second step of a login, and checks its mfa_token. */
@Injectable()
@ThrowsMfaException()
export class MfaChallengeService {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly tokens: ChallengeTokens,
    private readonly events: MfaEvents,
    private readonly cookie: ChallengeCookie,
    private readonly host: MfaHostAccess,
    private readonly policies: LoginPolicies,
    private readonly enrollments: EnrollmentChallenges,
    private readonly devices: TrustedLogins,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Call it on every login path after the first factor was right. A second factor is required if the user has a confirmed
   * authenticator, also if it is locked, disabled or unreadable. Pass the id from the row of the user, not the typed text:
   * ids are compared by `===`. One statement, no write; with a policy, the first login of a user stores its time, and the
   * use of a trusted device is one write.
   *
   * A user without a factor must enroll one first where a policy requires it, or after a reset. The result then has
   * `enrollmentRequired: true`, and its token opens only the routes of the enrollment.
   * @throws MfaException `MFA_BUSY`, also where `MfaHost.policy` fails; TypeError for an unusable user id or option, for a
   * missing `accountName` where the application has a policy, and a missing `credentialVersion` with `trustedDevices`
   * @example
   * const result = await challenges.issue(user.id, { amr: ['pwd'] });
   * return result.mfaRequired ? result : sessions.open(result.login);
   */
  // S43a
  async issue<S = unknown>(
    userId: string | number,
    options: MfaIssueOptions<S> = {},
    context?: ExecutionContext,
  ): Promise<MfaChallengeResult<S>> {
    const id = requireUserId(userId, 'MfaChallengeService.issue');
    const requires = { accountName: this.host.hasPolicy, credentialVersion: this.options.trustedDevices !== null };
    const first = readFirstFactor(options, requires);
    const presented = this.devices.presented(id, options);
    const policy = await this.policies.of(id, context);
    const { snapshot, otherCase, policySeenAtMs, device } = await this.accounts.loadForLogin(
      id,
      policy?.required ? policy.id : undefined,
      presented?.lookupHash,
    );
    if (otherCase) this.logger.warn(OTHER_CASE);
    // The sighting is read with the account, so it is not known where there is none.
    const seenAtMs = snapshot ? policySeenAtMs : undefined;
    const enforcedFromMs = await this.policies.enforcedFrom(id, policy, seenAtMs);
    const request = { first, rules: { policy, firstFactor: first.firstFactor }, context };
    const result = isEnabled(snapshot)
      ? ((await this.fromDevice(snapshot, { presented, device, request })) ?? this.requireFactor(snapshot, request))
      : await this.withoutFactor(id, snapshot, { ...request, enforcedFromMs });
    if (result.mfaRequired && options.cookie) this.cookie.set(options.cookie, result.mfa_token, result.expiresIn);
    return result as MfaChallengeResult<S>;
  }

  /** The login of a user whose device is trusted. `null` = it requires a second factor. */
  // S113
  private async fromDevice(
    { account, backupCodesRemaining }: AccountSnapshot,
    { presented, device, request: { first, rules, context } }: DeviceRequest,
  ): Promise<MfaChallengeResult | null> {
    if (!presented) return null;
    const { credentialVersion = null } = first;
    const trusted = await this.devices.accept(presented, device, {
      account,
      rules,
      credentialVersion,
      context,
    });
    if (!trusted) return null;
    const login = withoutSecondFactor(account.userId, { ...first, amr: amrAfterProof(first.amr, ['mfa']) }, null);
    return { mfaRequired: false, login: { ...login, mfaAt: trusted.mfaAt, backupCodesRemaining } };
  }

  private requireFactor(snapshot: AccountSnapshot, { first, rules, context }: IssueRequest): MfaChallengeResult {
    const { userId, securityStamp } = snapshot.account;
    this.events.emit({ type: 'mfa.challenge.issued', userId }, context);
    return {
      mfaRequired: true,
      mfa_token: this.tokens.sign(userId, securityStamp, first),
      methods: methodsOf(snapshot, this.factors, rules),
      expiresIn: this.options.challenge.lifetimeSeconds,
    };
  }

  /** The user has no factor. After a reset, and where the policy is enforced by now, the user must enroll one first. */
  // S100, S102
  private async withoutFactor(
    userId: string,
    snapshot: AccountSnapshot | null,
    request: IssueRequest & { enforcedFromMs: number | null },
  ): Promise<MfaChallengeResult> {
    const { first, rules, context, enforcedFromMs } = request;
    const nowMs = this.clock.nowMs();
    const isReset = snapshot !== null && snapshot.account.mustEnrollSinceMs !== null;
    if (!isReset && (enforcedFromMs === null || nowMs < enforcedFromMs)) {
      return { mfaRequired: false, login: withoutSecondFactor(userId, first, enforcedFromMs) };
    }
    const opened = snapshot ?? (await openAccount(this.accounts, userId, nowMs));
    // Confirmed since the first read.
    if (isEnabled(opened)) return this.requireFactor(opened, request);
    const login = { userId, securityStamp: opened.account.securityStamp, first };
    const enrollment = isReset
      ? ({ reason: 'reset', policyId: null } as const)
      : ({ reason: 'policy', policyId: rules.policy!.id } as const);
    return this.enrollments.issue(login, enrollment, { rules, context });
  }

  /**
   * Returns the challenge of a token. One statement, no write, so it does not count as an attempt.
   * @throws MfaException `MFA_TOKEN_INVALID` if it is malformed, expired, spent or revoked; `MFA_BUSY`
   */
  // S55
  async check(token: string): Promise<MfaChallenge> {
    const challenge = this.tokens.read(token);
    await this.load(challenge);
    return challenge;
  }

  /**
   * Returns the result of `issue()` for this challenge again, without the token. Use it after a page reload. One statement,
   * no write.
   * @param challenge the challenge, its token, or the token of an enrollment
   * @throws MfaException `MFA_TOKEN_INVALID` if it is malformed, expired, spent or revoked; `MFA_BUSY`
   */
  async describe(challenge: MfaChallenge | string, context?: ExecutionContext): Promise<MfaOpenChallenge> {
    if (typeof challenge === 'string' && this.tokens.isEnrollment(challenge)) {
      return this.enrollments.describe(challenge, context);
    }
    const open = typeof challenge === 'string' ? this.tokens.read(challenge) : challenge;
    const { userId, firstFactor, expiresAtMs } = MfaChallenge.claimsOf(open);
    const rules = { policy: await this.policies.of(userId, context), firstFactor };
    const snapshot = await this.load(open);
    const remainingMs = expiresAtMs - this.clock.nowMs();
    if (remainingMs <= 0) throw new MfaError('MFA_TOKEN_INVALID');
    const methods = methodsOf(snapshot, this.factors, rules);
    return { mfaRequired: true, methods, expiresIn: Math.ceil(remainingMs / 1000) };
  }

  private async load(challenge: MfaChallenge): Promise<AccountSnapshot> {
    const claims = MfaChallenge.claimsOf(challenge);
    const snapshot = await this.accounts.load(claims.userId, claims.tokenId);
    if (!snapshot || !claimHolds(snapshot, claims)) throw new MfaError('MFA_TOKEN_INVALID');
    return snapshot;
  }
}

/** A login without a second factor. The state is parsed from JSON, so the host gets the same value as with a second step. */
function withoutSecondFactor(userId: string, { amr, state }: FirstFactor, enforcedFromMs: number | null): MfaLogin {
  return {
    userId,
    amr,
    mfaAt: null,
    factor: null,
    backupCodesRemaining: null,
    ...(state === undefined ? {} : { state: JSON.parse(state) as unknown }),
    enrollmentDueAt: enforcedFromMs === null ? null : new Date(enforcedFromMs),
  };
}
