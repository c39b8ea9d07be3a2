import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { ChallengeTokens, MfaChallenge } from '../challenge/mfa-challenge.js';
import type { CredentialRows, VerificationSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { MFA_FACTORS, type Factor, type PreparationRequest } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import { isAccepted } from '../domain/policy/policy.js';
import { claimHolds } from '../domain/verification/attempt-rules.js';
import { PREPARATION_LIFETIME_MS, type ProofPurpose } from '../domain/verification/proof.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import { requireSession } from '../host/require-principal.js';
import { sessionBinding } from '../host/session-binding.js';
import { LoginPolicies } from '../policy/login-policies.js';

/** What a factor may be asked to prepare. */
export interface PreparationParams {
  method: string;
  purpose?: ProofPurpose | null | undefined;
  /** The request, for a factor of the host. */
  context?: ExecutionContext | undefined;
}

/** Returns what a client needs before it can present a proof. Reads the account; writes nothing. */
@Injectable()
export class ProofPreparation {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly tokens: ChallengeTokens,
    private readonly policies: LoginPolicies,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
  ) {}

  /**
   * @throws MfaError `MFA_TOKEN_INVALID`; `MFA_AUTHENTICATOR_NOT_FOUND` if the user has no such factor;
   * `MFA_NOT_AUTHENTICATED` for an unusable principal; `MFA_BAD_REQUEST` for a purpose that the caller cannot have
   */
  async prepare(
    caller: MfaChallenge | string | MfaPrincipal,
    { method, purpose, context }: PreparationParams,
  ): Promise<unknown> {
    const factor = this.factors.find((each) => each.method === method);
    const rows = factor?.rows ?? 'none';
    const isLogin = typeof caller === 'string' || caller instanceof MfaChallenge;
    const { snapshot, request, firstFactor } = isLogin
      ? await this.forLogin(caller, purpose ?? 'verify', rows)
      : await this.forSession(caller, purpose ?? 'step-up', rows);
    if (!snapshot || !factor?.isAvailable(snapshot)) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    // A change of factors may be proved by a method that does not pass a second step.
    if (request.binding.purpose !== 'change') await this.requireAccepted(method, snapshot, { firstFactor, context });
    return factor.prepare(snapshot, { ...request, context });
  }

  private async forLogin(caller: MfaChallenge | string, purpose: ProofPurpose, rows: CredentialRows) {
    if (purpose !== 'verify') throw badPurpose('with an mfa_token, purpose must be verify');
    const claims = MfaChallenge.claimsOf(typeof caller === 'string' ? this.tokens.read(caller) : caller);
    const { userId, tokenId, firstFactor, expiresAtMs } = claims;
    const snapshot = await this.accounts.loadWith(rows, userId, { tokenId });
    const nowMs = this.clock.nowMs();
    if (!snapshot || !claimHolds(snapshot, claims) || nowMs >= expiresAtMs) throw new MfaError('MFA_TOKEN_INVALID');
    return { snapshot, request: this.requestOf({ purpose, binding: tokenId }, expiresAtMs), firstFactor };
  }

  private async requireAccepted(
    method: string,
    { account }: VerificationSnapshot,
    { firstFactor, context }: { firstFactor: string | undefined; context: ExecutionContext | undefined },
  ): Promise<void> {
    const policy = await this.policies.of(account.userId, context);
    if (!isAccepted(method, account, { policy, firstFactor })) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
  }

  private async forSession(caller: MfaPrincipal, purpose: ProofPurpose, rows: CredentialRows) {
    if (purpose !== 'step-up' && purpose !== 'change') throw badPurpose('purpose must be step-up or change');
    const session = requireSession(caller);
    const snapshot = await this.accounts.loadWith(rows, session.userId);
    return { snapshot, request: this.requestOf({ purpose, binding: sessionBinding(session) }), firstFactor: undefined };
  }

  private requestOf(binding: PreparationRequest['binding'], latestMs = Infinity): Omit<PreparationRequest, 'context'> {
    return { binding, expiresAtMs: Math.min(this.clock.nowMs() + PREPARATION_LIFETIME_MS, latestMs) };
  }
}

const badPurpose = (message: string) => new MfaError('MFA_BAD_REQUEST', { message: [message] });
