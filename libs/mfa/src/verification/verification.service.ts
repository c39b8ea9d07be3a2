import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ChallengeCookie, type MfaCookieResponse } from '../challenge/challenge-cookie.js';
import { ChallengeTokens, MfaChallenge, type MfaChallengeResult } from '../challenge/mfa-challenge.js';
import type { MfaTokenClaims } from '../challenge/mfa-token.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaLogin, MfaMethod, MfaStepUp } from '../host/mfa-host.js';
import { toUserId } from '../domain/accounts/account.js';
import { LoginCompletion } from './login-completion.js';
import { ProofVerifier } from './proof-verifier.js';

/** Verifies a code for the second step of a login, or for a step-up. Call it outside your database transactions. */
@Injectable()
@ThrowsMfaException()
export class MfaVerificationService {
  constructor(
    private readonly verifier: ProofVerifier,
    private readonly tokens: ChallengeTokens,
    private readonly completion: LoginCompletion,
    private readonly cookie: ChallengeCookie,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Checks the proof, and spends proof and mfa_token together. It calls no method of the host, so create the session
   * yourself; {@link login} also creates the session.
   * @param challenge the value of `@CurrentChallenge()`, or the `mfa_token` itself (GraphQL, RPC)
   * @throws MfaException `MFA_TOKEN_INVALID`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`, `MFA_BAD_REQUEST`
   */
  async verify<S = unknown>(
    challenge: MfaChallenge | string,
    proof: MfaProof,
    context?: ExecutionContext,
  ): Promise<MfaChallengeResult<S>> {
    return { mfaRequired: false, login: await this.spend<S>(this.claimsOf(challenge), proof, context) };
  }

  /**
   * Does the same as `POST /mfa/verify`: spends proof and mfa_token, clears the cookie of the challenge, calls
   * `MfaHost.completeLogin`, and reads the account again. If the factors changed in the meantime, it ends the session.
   * @returns the result of `completeLogin`
   * @throws MfaException like {@link verify}; `MFA_TOKEN_INVALID` also if the user is missing or blocked now, or if the
   * factors changed; and every error of `completeLogin`
   * @example
   * \@Mutation()
   * verify(\@Args() { mfaToken, code }: VerifyArgs, \@MfaContext() context: ExecutionContext) {
   *   return this.verification.login(mfaToken, { code }, context);
   * }
   */
  async login(challenge: MfaChallenge | string, proof: MfaProof, context: ExecutionContext): Promise<unknown> {
    const claims = this.claimsOf(challenge);
    const login = await this.spend(claims, proof, context);
    this.clearCookie(context);
    // The token is spent by now, whatever the host does next (S44).
    return this.completion.complete(login, claims.securityStamp, context);
  }

  /**
   * Verifies the second factor of a signed-in user again. `amr` of the result has only the values of this proof; add those
   * of the session.
   * @throws MfaException `MFA_NOT_ENABLED`, and like {@link verify}
   */
  async stepUp(userId: string | number, proof: MfaProof, context?: ExecutionContext): Promise<MfaStepUp> {
    const { code, method } = readProof(proof);
    const id = toUserId(userId);
    // For the compiler: no account is stored under a value that is not a user id.
    if (id === null) throw new MfaError('MFA_NOT_ENABLED');
    return this.verifier.verify({ userId: id, method, context }, code);
  }

  /** Verifies the proof and spends it with the token. The store checks that the token is unspent. */
  private async spend<S>(claims: MfaTokenClaims, proof: MfaProof, context?: ExecutionContext): Promise<MfaLogin<S>> {
    const { userId, tokenId, securityStamp, expiresAtMs } = claims;
    const { code, method } = readProof(proof);
    // A caller may have kept the challenge for longer than the token lives, and than its spending is remembered (S40).
    if (this.clock.nowMs() >= expiresAtMs) throw new MfaError('MFA_TOKEN_INVALID');
    // Before the proof is spent: a state that cannot be opened costs no code.
    const state = this.tokens.stateOf(claims) as S | undefined;
    // Remembered for longer than the token lives, by the clock of any instance (S34).
    const token = { kind: 'token', item: tokenId, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS } as const;
    const proved = await this.verifier.verify({ userId, securityStamp, token, method, context }, code);
    const amr = [...new Set([...(claims.amr ?? []), ...proved.amr])];
    return { ...proved, amr, ...(state === undefined ? {} : { state }), enrollmentDueAt: null };
  }

  private claimsOf(challenge: MfaChallenge | string): MfaTokenClaims {
    return MfaChallenge.claimsOf(typeof challenge === 'string' ? this.tokens.read(challenge) : challenge);
  }

  /** Throws nothing, because the proof is spent by now. */
  private clearCookie(context: ExecutionContext | undefined): void {
    if (context?.getType() !== 'http') return;
    const http = context.switchToHttp();
    const request = http.getRequest<{ headers?: Record<string, unknown> } | null | undefined>();
    if (this.cookie.readAll(request?.headers?.cookie).length === 0) return;
    try {
      this.cookie.clear(http.getResponse<MfaCookieResponse>());
    } catch {
      // Headers were sent already, or a context of ExternalContextCreator has no response. The token is spent anyway.
    }
  }
}

/** The second factor that a user presents. */
export interface MfaProof {
  /** A TOTP code or a backup code. */
  code: string;
  /** The method of the code. @default the method whose codes have this format */
  method?: MfaMethod | null | undefined;
}

/**
 * Checks the types of a proof. The code itself is checked later.
 * @throws MfaError `MFA_BAD_REQUEST`
 */
export function readProof(proof: unknown): { code: string; method: string | undefined } {
  if (typeof proof !== 'object' || proof === null) throw badRequest('the proof must be an object with `code`');
  const { code, method } = proof as MfaProof;
  if (method !== undefined && method !== null && typeof method !== 'string')
    throw badRequest('method must be a string');
  return { code, method: method ?? undefined };
}

const badRequest = (message: string) => new MfaError('MFA_BAD_REQUEST', { message: [message] });
