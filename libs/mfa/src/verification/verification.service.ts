import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ChallengeCookie } from '../challenge/challenge-cookie.js';
import { EnrollmentChallenges } from '../challenge/enrollment-challenges.js';
import { ChallengeTokens, MfaChallenge, type MfaChallengeResult } from '../challenge/mfa-challenge.js';
import type { EnrollmentClaims, MfaTokenClaims } from '../challenge/mfa-token.js';
import { DeviceTrust, type NewDevice } from '../devices/device-trust.js';
import { MfaClock } from '../domain/clock.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import { deviceTokenText } from '../domain/devices/device-secret.js';
import { MfaError } from '../domain/mfa-error.js';
import { hasAllowedFactor, isAccepted, type LoginRules, type Policy } from '../domain/policy/policy.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaPrincipal, MfaStepUp } from '../host/mfa-host.js';
import { cookiesOf, MfaHostAccess } from '../host/host-access.js';
import type { MfaMethod } from '../host/mfa-method.js';
import { sessionBinding, sessionOf } from '../host/session-binding.js';
import type { MfaPasskeyAssertion } from '../domain/passkeys/passkey-json.js';
import { amrAfterProof, readProof } from '../domain/verification/proof.js';
import { LoginPolicies } from '../policy/login-policies.js';
import { LoginCompletion } from './login-completion.js';
import { ProofPreparation } from './proof-preparation.js';
import { type ProofRequest, provedAt, provedStamp, ProofVerifier, type VerifiedProof } from './proof-verifier.js';

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
    private readonly host: MfaHostAccess,
    private readonly policies: LoginPolicies,
    private readonly enrollments: EnrollmentChallenges,
    private readonly devices: DeviceTrust,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Checks the proof, and spends proof and mfa_token together. It calls no method of the host, so create the session
   * yourself; {@link login} also creates the session.
   * @param challenge the value of `@CurrentChallenge()`, or the `mfa_token` itself (GraphQL, RPC)
   * @returns the login; with `enrollmentRequired: true`, what the user must enroll before a session is opened: after a
   * recovery code, and after a factor that the policy does not allow. With `rememberDevice: true` it sets the cookie of the
   * trusted browser on the response of `context`; with `'token'`, the login has a `deviceToken`
   * @throws MfaException `MFA_TOKEN_INVALID`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`, `MFA_BAD_REQUEST`
   */
  async verify<S = unknown>(
    challenge: MfaChallenge | string,
    proof: MfaLoginProof,
    context?: ExecutionContext,
  ): Promise<MfaChallengeResult<S>> {
    const { result, trusted } = await this.spend<S>(this.claimsOf(challenge), proof, context);
    if (trusted) await this.devices.finish(trusted);
    return result;
  }

  /**
   * Does the same as `POST /mfa/verify`: spends proof and mfa_token, clears the cookie of the challenge, calls
   * `MfaHost.completeLogin`, and reads the account again. If the factors changed in the meantime, it ends the session.
   * @returns the result of `completeLogin`, or the result of {@link verify} where the user must enroll first
   * @throws MfaException like {@link verify}; `MFA_TOKEN_INVALID` also if the user is missing or blocked now, or if the
   * factors changed; and every error of `completeLogin`
   * @example
   * \@Mutation()
   * verify(\@Args() { mfaToken, code }: VerifyArgs, \@MfaContext() context: ExecutionContext) {
   *   return this.verification.login(mfaToken, { code }, context);
   * }
   */
  async login(challenge: MfaChallenge | string, proof: MfaLoginProof, context: ExecutionContext): Promise<unknown> {
    const claims = this.claimsOf(challenge);
    const { result, trusted } = await this.spend(claims, proof, context);
    // The token is spent by now, whatever the host does next (S44).
    // A request without cookies runs no code of the cookie: the flow stays within the files of one reading.
    if (cookiesOf(context) !== undefined) this.cookie.endSent(context, result.mfaRequired ? result : undefined);
    if (result.mfaRequired) return result;
    try {
      const response = await this.completion.complete(result.login, claims.securityStamp, context);
      if (trusted) await this.devices.finish(trusted);
      return response;
    } catch (error) {
      if (trusted) await this.devices.withdraw(trusted);
      throw error;
    }
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
    const accepts = accepting({ policy: await this.policyOf(userId, context) });
    const claim = { userId, purpose: 'step-up', binding: sessionBinding(session), accepts, context } as const;
    const { proved } = await this.verifier.verify(claim, read);
    return provedAt(provedStamp(proved), { ...proved, amr: amrAfterProof(session.amr, proved.amr) });
  }

  /**
   * Returns what the client needs before it can present a proof of `method`: the options of
   * `navigator.credentials.get()` for a passkey, or what a factor of the host returns. `null` = nothing. Call it for the
   * challenge of a login, or for a signed-in user. One statement of the module, no write. Check that an mfa_token of a
   * request body is a string before you pass it: an object counts as a principal.
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
  private async spend<S>(
    claims: MfaTokenClaims,
    proof: MfaLoginProof,
    context?: ExecutionContext,
  ): Promise<{ result: MfaChallengeResult<S>; trusted?: NewDevice | null }> {
    const { userId, tokenId, securityStamp, firstFactor, credential, expiresAtMs } = claims;
    const read = readProof(proof);
    const kind = deviceKindOf(proof);
    // A caller may have kept the challenge for longer than the token lives, and than its spending is remembered (S40).
    if (this.clock.nowMs() >= expiresAtMs) throw new MfaError('MFA_TOKEN_INVALID');
    // Before the proof is spent: details that cannot be opened, and a policy that cannot be read, cost no code.
    const { state, ...names } = this.tokens.loginOf(claims);
    const rules = { policy: await this.policyOf(userId, context), firstFactor };
    // Remembered for longer than the token lives, by the clock of any instance (S34).
    const token = { kind: 'token', item: tokenId, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS } as const;
    const claim = { userId, securityStamp, token, purpose: 'verify', binding: tokenId, context } as const;
    const verified = await this.verifier.verify({ ...claim, accepts: accepting(rules) }, read);
    const amr = amrAfterProof(claims.amr, verified.proved.amr);
    const enforcedFromMs = await this.enforcedFrom(verified, rules);
    const enrollment = enrollmentAfter(
      verified,
      rules,
      enforcedFromMs !== null && this.clock.nowMs() >= enforcedFromMs,
    );
    if (enrollment) {
      const first = { amr, firstFactor, ...names, ...(state === undefined ? {} : { state: JSON.stringify(state) }) };
      return { result: this.enrollments.issue({ userId, securityStamp, first }, enrollment, { rules, context }) };
    }
    const { factor, mfaAt } = verified.proved;
    const trust = { userId, securityStamp, credential, method: factor, mfaAt, rules, context };
    const trusted = kind === null ? null : await this.devices.start({ kind, ...trust });
    const enrollmentDueAt = enforcedFromMs === null ? null : new Date(enforcedFromMs);
    const deviceToken = trusted && kind === 'token' ? { deviceToken: deviceTokenText(trusted.token) } : {};
    const login = { ...verified.proved, amr, ...(state === undefined ? {} : { state: state as S }), enrollmentDueAt };
    return { result: { mfaRequired: false, login: { ...login, ...deviceToken } }, trusted };
  }

  private async policyOf(userId: string, context?: ExecutionContext): Promise<Policy | null> {
    return this.host.hasPolicy ? this.policies.of(userId, context) : null;
  }

  /** From when a user who has only factors that the policy does not allow must enroll another one. `null` = never. */
  private async enforcedFrom({ account, proved }: VerifiedProof, rules: LoginRules): Promise<number | null> {
    const { policy } = rules;
    // A recovery code leads to an enrollment in any case, and a statement that fails here would cost the spent code.
    if (proved.factor === 'recovery_code' || !policy?.required || hasAllowedFactor(account, rules)) return null;
    return this.policies.enforcedFrom(account.userId, policy);
  }

  private claimsOf(challenge: MfaChallenge | string): MfaTokenClaims {
    return MfaChallenge.claimsOf(typeof challenge === 'string' ? this.tokens.read(challenge) : challenge);
  }
}

/**
 * The kind of device to trust after the login. `null` = none.
 * @throws MfaError `MFA_BAD_REQUEST`
 */
function deviceKindOf({ rememberDevice }: MfaLoginProof): TrustedDevice['kind'] | null {
  if (rememberDevice === undefined || rememberDevice === null || rememberDevice === false) return null;
  if (rememberDevice === true) return 'cookie';
  if (rememberDevice === 'token') return 'token';
  throw new MfaError('MFA_BAD_REQUEST', { message: ["rememberDevice must be true, false or 'token'"] });
}

/** Which methods pass a second step. `undefined` = every one. */
function accepting(rules: LoginRules): ProofRequest['accepts'] {
  if (rules.policy === null && rules.firstFactor === undefined) return undefined;
  return (method, account) => isAccepted(method, account, rules);
}

/** What the user must enroll after this proof, before a session is opened. `null` = nothing. */
// S102, S104
function enrollmentAfter(
  { proved }: VerifiedProof,
  { policy }: LoginRules,
  isEnforced: boolean,
): EnrollmentClaims | null {
  if (proved.factor === 'recovery_code') return { reason: 'recovery', policyId: null };
  return policy && isEnforced ? { reason: 'policy', policyId: policy.id, proved: true } : null;
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

/** The second factor of a login, and whether to trust the device afterwards. */
export type MfaLoginProof = MfaProof & {
  /**
   * `true` = trust this browser, by a cookie; `'token'` = trust this app, which receives `login.deviceToken`. Needs the
   * option `trustedDevices`. Not done after a backup code or a recovery code, nor where the policy forbids it. @default false
   */
  rememberDevice?: boolean | 'token' | null | undefined;
};
