import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import type { VerificationSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { readCode } from '../domain/code.js';
import {
  MFA_FACTORS,
  type CodeShape,
  type FactorEvaluation,
  type FactorMatch,
  type MfaFactor,
} from '../domain/factors/mfa-factor.js';
import { isMfaError, MfaError } from '../domain/mfa-error.js';
import type { UsageEntry } from '../domain/usage/usage.js';
import { claimHolds, digitsFit } from '../domain/verification/attempt-rules.js';
import { MfaVerificationStore, type VerificationClaim } from '../domain/verification/verification.store.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaFailureReason } from '../host/mfa-event.js';
import type { MfaStepUp } from '../host/mfa-host.js';
import { ReencryptOnUse } from '../keys/reencrypt-on-use.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from './attempt-limiter.js';

/** Work that needs a right code and runs before the code is spent. `MFA_BUSY` here costs neither the code nor an attempt. */
export type Preparation = (entry: UsageEntry) => Promise<void>;

/** A claim with the request that it came with. */
export interface ProofRequest extends VerificationClaim {
  /** The one method that is evaluated; left out means the factor that recognises the code. */
  method?: string;
  /** The request, for events. */
  context?: ExecutionContext;
}

/**
 * The heart of every verification, in four steps: reserve an attempt → match the code → spend the code (and the
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
    @Inject(MFA_FACTORS) private readonly factors: readonly MfaFactor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Verifies and spends `code`, together with the mfa_token of the claim when there is one.
   * @throws MfaError `MFA_BAD_REQUEST` for anything that is not a code; `MFA_TOKEN_INVALID` for a token that is spent or
   * revoked; `MFA_NOT_ENABLED`; `MFA_CODE_REJECTED` for a wrong, used or replayed code and for a lost race;
   * `MFA_LOCKED`; `MFA_BUSY`
   */
  async verify(claim: ProofRequest, code: string, prepare?: Preparation): Promise<MfaStepUp> {
    const normalised = readCode(code);
    const recognised = this.recognise(normalised, claim.method);
    if (!recognised) throw await this.refuseShape(claim);

    const { factor, shape } = recognised;
    const snapshot = await this.reserve(claim, factor, shape);
    const nowMs = this.clock.nowMs();
    const { match, skewSteps } = await this.match(claim, factor, normalised, snapshot, { nowMs, prepare });
    if (!match) throw this.reject(claim, factor, skewSteps === undefined ? 'wrong_code' : 'clock_skew', skewSteps);
    await this.spendAndSettle(claim, snapshot, factor, match);

    await this.reencryption.reencryptOnUse(match.sealed);
    const { userId, context } = claim;
    this.events.emit({ type: 'mfa.verification.succeeded', userId, factor: factor.method }, context);
    const spentBackupCode = factor.method === 'backup_code' ? 1 : 0;
    return provedAt(snapshot.account.securityStamp, {
      userId,
      amr: [...factor.amr],
      mfaAt: new Date(nowMs),
      factor: factor.method,
      backupCodesRemaining: Math.max(0, snapshot.backupCodesRemaining - spentBackupCode),
    });
  }

  private recognise(code: string, method?: string): { factor: MfaFactor; shape: CodeShape } | null {
    for (const factor of this.factors) {
      if (method !== undefined && factor.method !== method) continue;
      const shape = factor.recognises(code);
      if (shape) return { factor, shape };
    }
    return null;
  }

  /** Step 1. Counts the attempt as failed, and returns the account as it was before. */
  // S50
  private async reserve(claim: ProofRequest, factor: MfaFactor, { digits }: CodeShape): Promise<VerificationSnapshot> {
    const { userId, securityStamp, token, context } = claim;
    const policy = this.options.attempts;
    const nowMs = this.clock.nowMs();
    const attempt = { userId, securityStamp, token, digits, factor: factor.method, policy, nowMs };
    const reserved = await this.store.reserveAttempt(attempt);
    const snapshot = reserved?.snapshot;
    if (!snapshot || !claimHolds(snapshot, claim)) throw this.refuseClaim(claim, factor);
    if (!digitsFit(snapshot, { digits })) throw this.reject(claim, undefined, 'malformed');
    if (reserved.reserved === true) return snapshot;
    throw await this.limiter.refusal(userId, factor.method, { seen: snapshot.account, context });
  }

  /** Step 2. If matching or preparing throws `MFA_BUSY`, the code was not evaluated, and its attempt is released. */
  // S58
  private async match(
    claim: ProofRequest,
    factor: MfaFactor,
    code: string,
    snapshot: VerificationSnapshot,
    { nowMs, prepare }: { nowMs: number; prepare: Preparation | undefined },
  ): Promise<FactorEvaluation> {
    try {
      const evaluation = await factor.evaluate(code, snapshot, nowMs);
      if (evaluation.match) await prepare?.(evaluation.match.entry);
      return evaluation;
    } catch (error) {
      if (isMfaError(error) && error.code === 'MFA_BUSY') {
        await this.limiter.release(claim.userId, factor.method);
        this.reject(claim, factor, 'busy');
      }
      throw error;
    }
  }

  /**
   * Steps 3 and 4, in one call of the store. A right code that is already spent, or that lost a race, was not a guess, so
   * its attempt is released.
   */
  // S34a, S70
  private async spendAndSettle(
    claim: ProofRequest,
    { account: { securityStamp } }: VerificationSnapshot,
    factor: MfaFactor,
    { entry, backupSetId, credentialId }: FactorMatch,
  ): Promise<void> {
    const { userId, token } = claim;
    const spent = await this.store.spendAndSettle({
      userId,
      securityStamp,
      backupSetId,
      entries: token ? [entry, token] : [entry],
      factor: factor.method,
      credentialId,
      policy: this.options.attempts,
      nowMs: this.clock.nowMs(),
    });
    if (spent === true) return;
    await this.limiter.release(userId, factor.method);
    throw this.reject(claim, factor, 'already_spent');
  }

  /**
   * Refuses a code that no factor recognises. It costs no attempt. `MFA_TOKEN_INVALID` for a spent or revoked token, else
   * `MFA_CODE_REJECTED`.
   */
  private async refuseShape(claim: ProofRequest): Promise<MfaError> {
    const snapshot = await this.accounts.load(claim.userId, claim.token?.item);
    if (!snapshot || !claimHolds(snapshot, claim)) return this.refuseClaim(claim);
    return this.reject(claim, undefined, 'malformed');
  }

  private refuseClaim(claim: ProofRequest, factor?: MfaFactor): MfaError {
    if (claim.token) return new MfaError('MFA_TOKEN_INVALID');
    // The account changed since it was read: a lost race.
    if (claim.securityStamp !== undefined) return this.reject(claim, factor, 'state_changed');
    return new MfaError('MFA_NOT_ENABLED');
  }

  private reject(
    { userId, context }: ProofRequest,
    factor: MfaFactor | undefined,
    failure: MfaFailureReason,
    skewSteps?: number,
  ): MfaError {
    const skew = skewSteps === undefined ? {} : { skewSteps };
    this.events.emit({ type: 'mfa.verification.failed', userId, factor: factor?.method, failure, ...skew }, context);
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
