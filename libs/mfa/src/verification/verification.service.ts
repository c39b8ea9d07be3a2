import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ChallengeCookie, type MfaCookieResponse } from '../challenge/challenge-cookie.js';
import { ChallengeTokens, MfaChallenge, type MfaChallengeResult } from '../challenge/mfa-challenge.js';
import type { MfaTokenClaims } from '../challenge/mfa-token.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaLogin, MfaPrincipal, MfaStepUp } from '../host/mfa-host.js';
import type { MfaMethod } from '../host/mfa-method.js';
import { sessionBinding, sessionOf } from '../host/session-binding.js';
import type { MfaPasskeyAssertion } from '../domain/passkeys/passkey-json.js';
import { amrAfterProof, readProof } from '../domain/verification/proof.js';
import { LoginCompletion } from './login-completion.js';
import { ProofPreparation } from './proof-preparation.js';
import { provedAt, provedStamp, ProofVerifier } from './proof-verifier.js';

/** Verifies a code for the second step of a login, or for a step-up. Call it outside your database transactions. */
@Injectable()
@ThrowsMfaException()
export class MfaVerificationService {
  constructor(
    private readonly verifier: ProofVerifier,
    private readonly preparation: ProofPreparation,
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
   * Verifies the second factor of a signed-in user again. Replace `amr` and `mfaAt` of the session by those of the result.
   * @param user the principal, with the `amr` of its session. With an id alone, `amr` of the result has only the values of
   * this proof, and a passkey is refused, because its response is bound to a session
   * @throws MfaException `MFA_NOT_ENABLED`, and like {@link verify}
   */
  async stepUp(user: MfaPrincipal | string | number, proof: MfaProof, context?: ExecutionContext): Promise<MfaStepUp> {
    const read = readProof(proof);
    const session = sessionOf(user);
    const { userId } = session;
    // For the compiler: no account is stored under a value that is not a user id.
    if (userId === null) throw new MfaError('MFA_NOT_ENABLED');
    const claim = { userId, purpose: 'step-up', binding: sessionBinding(session), context } as const;
    const proved = await this.verifier.verify(claim, read);
    return provedAt(provedStamp(proved), { ...proved, amr: amrAfterProof(session.amr, proved.amr) });
  }

  /**
   * Returns what the client needs before it can present a proof of `method`: the options of
   * `navigator.credentials.get()` for a passkey, or what a factor of the host returns. `null` = nothing. Call it for the
   * challenge of a login, or for a signed-in user. One statement of the module, no write.
   * @param request `purpose` of a signed-in user: `step-up`, or `change` for a change of factors. @default 'step-up'
   * @throws MfaException `MFA_TOKEN_INVALID`; `MFA_AUTHENTICATOR_NOT_FOUND` if the user has no such factor;
   * `MFA_NOT_AUTHENTICATED`, `MFA_BAD_REQUEST`, `MFA_BUSY`
   */
  async prepare(
    caller: MfaChallenge | string | MfaPrincipal,
    request: { method: MfaMethod; purpose?: 'verify' | 'step-up' | 'change' | null | undefined },
    context?: ExecutionContext,
  ): Promise<unknown> {
    return this.preparation.prepare(caller, { ...request, context });
  }

  /** Verifies the proof and spends it with the token. The store checks that the token is unspent. */
  private async spend<S>(claims: MfaTokenClaims, proof: MfaProof, context?: ExecutionContext): Promise<MfaLogin<S>> {
    const { userId, tokenId, securityStamp, expiresAtMs } = claims;
    const read = readProof(proof);
    // A caller may have kept the challenge for longer than the token lives, and than its spending is remembered (S40).
    if (this.clock.nowMs() >= expiresAtMs) throw new MfaError('MFA_TOKEN_INVALID');
    // Before the proof is spent: a state that cannot be opened costs no code.
    const state = this.tokens.stateOf(claims) as S | undefined;
    // Remembered for longer than the token lives, by the clock of any instance (S34).
    const token = { kind: 'token', item: tokenId, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS } as const;
    const claim = { userId, securityStamp, token, purpose: 'verify', binding: tokenId, context } as const;
    const proved = await this.verifier.verify(claim, read);
    return {
      ...proved,
      amr: amrAfterProof(claims.amr, proved.amr),
      ...(state === undefined ? {} : { state }),
      enrollmentDueAt: null,
    };
  }

  private claimsOf(challenge: MfaChallenge | string): MfaTokenClaims {
    return MfaChallenge.claimsOf(typeof challenge === 'string' ? this.tokens.read(challenge) : challenge);
  }

  /** Throws nothing, because the proof is spent by now. */
  private clearCookie(context: ExecutionContext | undefined): void {
    if (context?.getType() !== 'http') return;
    const http = context.switchToHttp();
    const request = http.getRequest<{ headers?: Record<string, unknown> } | null | undefined>();
    const header = request?.headers?.cookie;
    if (header === undefined || this.cookie.readAll(header).length === 0) return;
    try {
      this.cookie.clear(http.getResponse<MfaCookieResponse>());
    } catch {
      // Headers were sent already, or a context of ExternalContextCreator has no response. The token is spent anyway.
    }
  }
}

/** The second factor that a user presents: a code, or the response of a passkey. */
export type MfaProof = {
  /** The method of the proof. @default the method whose proofs have this format */
  method?: MfaMethod | null | undefined;
} & (
  | {
      /** A TOTP code, a backup code, or a code of another factor, which needs `method`. */
      code: string;
      passkey?: null | undefined;
    }
  | {
      code?: null | undefined;
      /** The response of `navigator.credentials.get()`, as JSON. */
      passkey: MfaPasskeyAssertion;
    }
);
