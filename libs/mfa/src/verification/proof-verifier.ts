import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import type { MfaAccount, VerificationSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import {
  MFA_FACTORS,
  type Factor,
  type FactorEvaluation,
  type FactorMatch,
  type ProofShape,
} from '../domain/factors/factor.js';
import { isMfaError, MfaError } from '../domain/mfa-error.js';
import type { UsageEntry } from '../domain/usage/usage.js';
import { claimHolds, shapeFits } from '../domain/verification/attempt-rules.js';
import type { Proof, ProofBinding, ProofPurpose } from '../domain/verification/proof.js';
import { MfaVerificationStore, type VerificationClaim } from '../domain/verification/verification.store.js';
import { eventAuthenticator, MfaEvents } from '../events/mfa-events.js';
import type { MfaFailureReason } from '../host/mfa-event.js';
import type { MfaStepUp } from '../host/mfa-host.js';
import { ReencryptOnUse } from '../keys/reencrypt-on-use.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from './attempt-limiter.js';

/** Work that needs a right proof and runs before it is spent. `MFA_BUSY` here costs neither the proof nor an attempt. */
export type Preparation = (entry: UsageEntry) => Promise<void>;

/** A claim with the request that it came with. */
export interface ProofRequest extends VerificationClaim, ProofBinding {
  /** Whether a proof of this method may pass for this account. Left out = every method. */
  accepts?: ((method: string, account: MfaAccount) => boolean) | undefined;
  /** The request, for events. */
  context?: ExecutionContext;
}

/** A proof that was right and is spent. */
export interface VerifiedProof {
  proved: MfaStepUp;
  /** The account as it was before. */
  account: MfaAccount;
}

/**
 * The heart of every verification, in four steps: reserve an attempt → match the proof → spend the proof (and the
 * mfa_token) → settle the attempt. Only spending accepts. Everything that fails before it denies.
 */
// S29, S30, S45
@Injectable()
export class ProofVerifier {
  constructor(
    private readonly store: MfaVerificationStore,
    private readonly accounts: MfaAccountStore,
    private readonly limiter: AttemptLimiter,
    private readonly reencryption: ReencryptOnUse,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Verifies and spends a proof, together with the mfa_token of the claim when there is one.
   * @throws MfaError `MFA_BAD_REQUEST` for a passkey response that is none; `MFA_TOKEN_INVALID` for a token that is spent
   * or revoked; `MFA_NOT_ENABLED`; `MFA_CODE_REJECTED` for a wrong, used or replayed proof and for a lost race;
   * `MFA_LOCKED`; `MFA_BUSY`
   */
  async verify(claim: ProofRequest, proof: Proof, prepare?: Preparation): Promise<VerifiedProof> {
    const recognised = this.recognise(proof, claim.purpose);
    if (!recognised) throw await this.refuseShape(claim);

    const { factor, shape } = recognised;
    const snapshot = await this.reserve(claim, factor, shape);
    const nowMs = this.clock.nowMs();
    const evaluation = await this.match(claim, factor, proof, { snapshot, nowMs, prepare });
    if (!evaluation.match) throw await this.rejectEvaluated(claim, factor, evaluation);
    const { match } = evaluation;
    await this.spendAndSettle(claim, snapshot, factor, match);

    await match.noteUse?.(nowMs, claim.context);
    await this.reencryption.reencryptOnUse(match.sealed);
    const { userId, context } = claim;
    const authenticator = match.credential && eventAuthenticator(factor.method, match.credential);
    const accepted = { userId, factor: factor.method, ...(authenticator && { authenticator }) };
    this.events.emit({ type: 'mfa.verification.succeeded', ...accepted }, context);
    const spentBackupCode = match.use?.rows === 'backup codes' ? 1 : 0;
    const { account } = snapshot;
    const proved = provedAt(account.securityStamp, {
      userId,
      amr: [...match.amr],
      mfaAt: new Date(nowMs),
      factor: factor.method,
      backupCodesRemaining: Math.max(0, snapshot.backupCodesRemaining - spentBackupCode),
    });
    return { proved, account };
  }

  /**
   * The factor that evaluates a proof; `null` = none.
   * @throws MfaError `MFA_BAD_REQUEST` for a passkey response that is none
   */
  factorOf(proof: Proof, purpose: ProofPurpose): Factor | null {
    return this.recognise(proof, purpose)?.factor ?? null;
  }

  private recognise(proof: Proof, purpose: ProofPurpose): { factor: Factor; shape: ProofShape } | null {
    for (const factor of this.factors) {
      if (proof.method !== undefined && factor.method !== proof.method) continue;
      if (!factor.purposes.includes(purpose)) continue;
      const shape = factor.recognises(proof);
      if (shape) return { factor, shape };
    }
    return null;
  }

  /** Step 1. Counts the attempt as failed where its factor can be guessed. Returns the account as it was before. */
  // S50
  private async reserve(claim: ProofRequest, factor: Factor, shape: ProofShape): Promise<VerificationSnapshot> {
    const { userId, securityStamp, token, context } = claim;
    const { budget, rows } = factor;
    const policy = this.options.attempts;
    const nowMs = this.clock.nowMs();
    const attempt = { userId, securityStamp, token, ...shape, budget, rows, policy, nowMs };
    const reserved = await this.store.reserveAttempt(attempt);
    const snapshot = reserved?.snapshot;
    if (!snapshot || !claimHolds(snapshot, claim)) throw this.refuseClaim(claim, factor);
    if (!shapeFits(snapshot, shape)) throw this.reject(claim, undefined, 'malformed');
    if (claim.accepts?.(factor.method, snapshot.account) === false) {
      if (reserved.reserved === true) await this.release(userId, factor);
      throw this.reject(claim, factor, 'method_not_allowed');
    }
    if (reserved.reserved === true) return snapshot;
    if (budget === null) throw this.reject(claim, factor, 'state_changed');
    throw await this.limiter.refusal(userId, budget, { seen: snapshot.account, context });
  }

  /** Step 2. If matching or preparing throws `MFA_BUSY`, the proof was not evaluated, and its attempt is released. */
  // S58
  private async match(
    claim: ProofRequest,
    factor: Factor,
    proof: Proof,
    { snapshot, nowMs, prepare }: { snapshot: VerificationSnapshot; nowMs: number; prepare: Preparation | undefined },
  ): Promise<FactorEvaluation> {
    try {
      const { purpose, binding } = claim;
      const evaluation = await factor.evaluate(proof, { snapshot, binding: { purpose, binding }, nowMs });
      if (evaluation.match) await prepare?.(evaluation.match.entry);
      return evaluation;
    } catch (error) {
      if (isMfaError(error) && error.code === 'MFA_BUSY') {
        await this.release(claim.userId, factor);
        this.reject(claim, factor, 'busy');
      }
      throw error;
    }
  }

  /**
   * Steps 3 and 4, in one call of the store. A right proof that is already spent, or that lost a race, was not a guess, so
   * its attempt is released.
   */
  // S34a, S70
  private async spendAndSettle(
    claim: ProofRequest,
    { account: { securityStamp, recovery } }: VerificationSnapshot,
    factor: Factor,
    { entry, backupSetId, recoveryHash, use }: FactorMatch,
  ): Promise<void> {
    const { userId, token } = claim;
    const spent = await this.store.spendAndSettle({
      userId,
      securityStamp,
      backupSetId,
      recoveryHash,
      entries: token ? [entry, token] : [entry],
      budget: factor.budget,
      use,
      endsRecovery: recovery !== null,
      policy: this.options.attempts,
      nowMs: this.clock.nowMs(),
    });
    if (spent === true) return;
    await this.release(userId, factor);
    throw this.reject(claim, factor, 'already_spent');
  }

  private async release(userId: string, { budget }: Factor): Promise<void> {
    if (budget !== null) await this.limiter.release(userId, budget);
  }

  /**
   * Refuses a proof that no factor recognises. It costs no attempt. `MFA_TOKEN_INVALID` for a spent or revoked token, else
   * `MFA_CODE_REJECTED`.
   */
  private async refuseShape(claim: ProofRequest): Promise<MfaError> {
    const snapshot = await this.accounts.load(claim.userId, claim.token?.item);
    if (!snapshot || !claimHolds(snapshot, claim)) return this.refuseClaim(claim);
    return this.reject(claim, undefined, 'malformed');
  }

  private refuseClaim(claim: ProofRequest, factor?: Factor): MfaError {
    if (claim.token) return new MfaError('MFA_TOKEN_INVALID');
    // The account changed since it was read: a lost race.
    if (claim.securityStamp !== undefined) return this.reject(claim, factor, 'state_changed');
    return new MfaError('MFA_NOT_ENABLED');
  }

  /** Refuses a proof for which no attempt stays counted. No budget limits such refusals, so their events are limited. */
  private reject({ userId, context }: ProofRequest, factor: Factor | undefined, failure: MfaFailureReason): MfaError {
    this.events.refused({ type: 'mfa.verification.failed', userId, factor: factor?.method, failure }, context);
    return new MfaError('MFA_CODE_REJECTED');
  }

  /** Refuses a proof that was evaluated. Its attempt stays counted, if its factor has a budget and it was a guess. */
  // S70
  private async rejectEvaluated(
    claim: ProofRequest,
    factor: Factor,
    { failure = 'wrong_code', skewSteps, credential }: Extract<FactorEvaluation, { match: null }>,
  ): Promise<MfaError> {
    const { userId, context } = claim;
    const { method, budget } = factor;
    if (failure === 'already_spent') {
      await this.release(userId, factor);
      return this.reject(claim, factor, failure);
    }
    const skew = skewSteps === undefined ? {} : { skewSteps };
    const draft = { type: 'mfa.verification.failed', userId, factor: method, failure, ...skew } as const;
    if (budget !== null) this.events.emit(draft, context);
    else if (this.events.refused(draft, context) && failure === 'clone_suspected' && credential) {
      const authenticator = eventAuthenticator(method, credential);
      this.events.emit({ type: 'mfa.passkey.clone_suspected', userId, authenticator }, context);
    }
    return new MfaError('MFA_CODE_REJECTED');
  }
}

/** The stamp is not a property of the step-up, because hosts receive the step-up. */
const STAMPS = new WeakMap<MfaStepUp, number>();

/** Records the security stamp of the account under which a factor was proved. */
export function provedAt<T extends MfaStepUp>(securityStamp: number, proved: T): T {
  STAMPS.set(proved, securityStamp);
  return proved;
}

/** The security stamp that {@link provedAt} recorded; NaN, which equals no stamp, if none was recorded. */
export function provedStamp(proved: MfaStepUp): number {
  return STAMPS.get(proved) ?? NaN;
}
