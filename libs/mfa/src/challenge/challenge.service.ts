import { Inject, Injectable, Logger } from '@nestjs/common';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaError } from '../domain/mfa-error.js';
import { claimHolds } from '../domain/verification/conditions.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaMethod } from '../host/mfa-host.js';
import { requireUserId } from '../host/user-id.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { ChallengeCookie, type CookieResponse } from './challenge-cookie.js';
import { ChallengeTokens } from './challenge-tokens.js';
import { MfaChallenge, type MfaChallengeResult } from './mfa-challenge.js';

const OTHER_CASE =
  'MfaChallengeService.issue got a user id of which an MFA account exists in another case. To nestjs-mfa these are two users: ' +
  'pass the id from the row of your user, never what was typed at the login';

/** What the user can answer a challenge with. */
export function methodsOf({ account, backupCodesRemaining }: AccountSnapshot): MfaMethod[] {
  if (account.activeIds.length === 0) return [];
  return backupCodesRemaining > 0 ? ['totp', 'backup_code'] : ['totp'];
}

export interface IssueOptions {
  /** For redirecting logins: the response on which the token is set as an httpOnly cookie. */
  response?: CookieResponse;
}

/** Opens the second step of a login, and checks the token that stands for it. */
@Injectable()
@ThrowsMfaException()
export class MfaChallengeService {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly tokens: ChallengeTokens,
    private readonly events: MfaEvents,
    private readonly cookie: ChallengeCookie,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Call it on every login path once the first factor is right. It needs no second step only when the user has no
   * confirmed authenticator at all; with a locked, disabled or unreadable one it does (S43a). One statement, no write.
   * Pass the id from the row of the user, never what was typed: ids are compared by `===`.
   * @throws MfaException `MFA_BUSY`; TypeError for what is no user id
   */
  async issue(userId: string | number, { response }: IssueOptions = {}): Promise<MfaChallengeResult> {
    const id = requireUserId(userId, 'MfaChallengeService.issue');
    const { snapshot, otherCase } = await this.accounts.loadForLogin(id);
    if (otherCase) this.logger.warn(OTHER_CASE);
    if (!snapshot || snapshot.account.activeIds.length === 0) return { mfaRequired: false };
    const token = this.tokens.sign(id, snapshot.account.epoch);
    if (response) this.cookie.set(response, token);
    this.events.emit({ type: 'mfa.challenge.issued', userId: id });
    return {
      mfaRequired: true,
      mfa_token: token,
      methods: methodsOf(snapshot),
      expiresIn: this.options.challenge.lifetimeSeconds,
    };
  }

  /**
   * The challenge that `token` stands for. One statement, no write: a stranger's request counts against nobody (S55).
   * @throws MfaException `MFA_TOKEN_INVALID` when it is malformed, expired, spent or revoked; `MFA_BUSY`
   */
  async check(token: string): Promise<MfaChallenge> {
    const challenge = this.tokens.read(token);
    const claims = MfaChallenge.claimsOf(challenge);
    const snapshot = await this.accounts.load(claims.userId, claims.tokenId);
    if (!snapshot || !claimHolds(snapshot, claims)) throw new MfaError('MFA_TOKEN_INVALID');
    return challenge;
  }
}
