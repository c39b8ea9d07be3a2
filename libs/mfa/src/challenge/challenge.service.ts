import { Inject, Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { type AccountSnapshot, isEnabled, requireUserId } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { type Factor, methodsOf, MFA_FACTORS } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import { claimHolds } from '../domain/verification/attempt-rules.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaLogin } from '../host/mfa-host.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { ChallengeCookie } from './challenge-cookie.js';
import { type FirstFactor, type MfaIssueOptions, readFirstFactor } from './first-factor.js';
import { ChallengeTokens, MfaChallenge, type MfaChallengeResult, type MfaOpenChallenge } from './mfa-challenge.js';

const OTHER_CASE =
  'MfaChallengeService.issue got a user id of which an MFA account exists in another case. To nestjs-mfa these are two users: ' +
  'pass the id from the row of your user, never what was typed at the login';

export type { MfaIssueOptions } from './first-factor.js';

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
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Call it on every login path after the first factor was right. A second factor is required if the user has a confirmed
   * authenticator, also if it is locked, disabled or unreadable. Pass the id from the row of the user, not the typed text:
   * ids are compared by `===`. One statement, no write.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id or option
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
    const first = readFirstFactor(options);
    const { snapshot, otherCase } = await this.accounts.loadForLogin(id);
    if (otherCase) this.logger.warn(OTHER_CASE);
    if (!isEnabled(snapshot)) {
      return { mfaRequired: false, login: withoutSecondFactor(id, first) };
    }
    const token = this.tokens.sign(id, snapshot.account.securityStamp, first);
    if (options.cookie) this.cookie.set(options.cookie, token);
    this.events.emit({ type: 'mfa.challenge.issued', userId: id }, context);
    return {
      mfaRequired: true,
      mfa_token: token,
      methods: methodsOf(snapshot, this.factors),
      expiresIn: this.options.challenge.lifetimeSeconds,
    };
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
   * @throws MfaException `MFA_TOKEN_INVALID` if it is malformed, expired, spent or revoked; `MFA_BUSY`
   */
  async describe(challenge: MfaChallenge | string): Promise<MfaOpenChallenge> {
    const open = typeof challenge === 'string' ? this.tokens.read(challenge) : challenge;
    const snapshot = await this.load(open);
    const remainingMs = MfaChallenge.claimsOf(open).expiresAtMs - this.clock.nowMs();
    if (remainingMs <= 0) throw new MfaError('MFA_TOKEN_INVALID');
    return { mfaRequired: true, methods: methodsOf(snapshot, this.factors), expiresIn: Math.ceil(remainingMs / 1000) };
  }

  private async load(challenge: MfaChallenge): Promise<AccountSnapshot> {
    const claims = MfaChallenge.claimsOf(challenge);
    const snapshot = await this.accounts.load(claims.userId, claims.tokenId);
    if (!snapshot || !claimHolds(snapshot, claims)) throw new MfaError('MFA_TOKEN_INVALID');
    return snapshot;
  }
}

/** A login without a second factor. The state is parsed from JSON, so the host gets the same value as with a second step. */
function withoutSecondFactor<S>(userId: string, { amr, state }: FirstFactor): MfaLogin<S> {
  return {
    userId,
    amr,
    mfaAt: null,
    factor: null,
    backupCodesRemaining: null,
    ...(state === undefined ? {} : { state: JSON.parse(state) as S }),
    enrollmentDueAt: null,
  };
}
