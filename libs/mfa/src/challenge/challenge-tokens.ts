import { Inject, Injectable } from '@nestjs/common';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { MfaChallenge } from './mfa-challenge.js';
import { readMfaToken, signMfaToken, type TokenTerms } from './mfa-token.js';

/** Signs and reads mfa_tokens by the module's options. No SQL. */
@Injectable()
export class ChallengeTokens {
  constructor(
    private readonly clock: MfaClock,
    private readonly random: MfaRandom,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** A new mfa_token of the user, which dies with the epoch. */
  sign(userId: string, epoch: number): string {
    return signMfaToken({ userId, tokenId: this.random.id(), epoch }, this.terms());
  }

  /**
   * The challenge that `token` stands for, which may be spent or revoked: for callers that spend it, and so find out.
   * @throws MfaError `MFA_TOKEN_INVALID` when it is malformed, foreign or expired
   */
  read(token: string): MfaChallenge {
    const claims = typeof token === 'string' ? readMfaToken(token, this.terms()) : null;
    if (!claims) throw new MfaError('MFA_TOKEN_INVALID');
    return new MfaChallenge(claims);
  }

  /** Whether `token` has a valid signature and lifetime. It may be spent or revoked. */
  isReadable(token: string): boolean {
    return readMfaToken(token, this.terms()) !== null;
  }

  private terms(): TokenTerms {
    const { keyRing, issuer, challenge } = this.options;
    return { keyRing, issuer, lifetimeSeconds: challenge.lifetimeSeconds, nowMs: this.clock.nowMs() };
  }
}
