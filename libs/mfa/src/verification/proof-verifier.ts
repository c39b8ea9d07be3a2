import type { VerificationSnapshot } from '../domain/accounts/account.js';
import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { normaliseCode } from '../domain/code.js';
import { isMfaError, MfaError } from '../domain/mfa-error.js';
import type { UsageEntry } from '../domain/usage/usage.js';
import { claimHolds, digitsFit } from '../domain/verification/attempt-rules.js';
import { type VerificationClaim, MfaVerificationStore } from '../domain/verification/verification.store.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaFailureReason } from '../host/mfa-event.js';
import type { MfaStepUp } from '../host/mfa-host.js';
import { ReencryptOnUse } from '../keys/reencrypt-on-use.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from './attempt-limiter.js';
import { provedAt } from './proved-stamp.js';
import { MFA_FACTORS, type CodeShape, type FactorEvaluation, type FactorMatch, type MfaFactor } from './mfa-factor.js';

/** Longest code that is looked at, in characters. */
const LONGEST_CODE = 64;

/** What a right code is needed for, done before it is spent: `MFA_BUSY` here costs neither the code nor an attempt. */
export type Preparation = (entry: UsageEntry) => Promise<void>;

/** Who presents a code, and for what. */
export interface CodeClaim {
  userId: string;
  /** The security stamp of what the code decides about: a token's, or that of the account as it was read before (S43). */
  securityStamp?: number;
  /** The mfa_token that is spent with the code: both or neither (S34). */
  token?: UsageEntry;
  /** The one method that is evaluated; left out = the one whose codes look like this. */
  method?: string;
  /** The request, for events. */
  context?: ExecutionContext;
}

/**
 * The heart of every verification: read and reserve attempt → match code → spend code (and token) and settle.
 * Nothing before the spending accepts, and everything that goes wrong on the way denies (S29, S30, S45).
 */
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
   * Spends `code`, together with the claim's token where there is one.
   * @throws MfaError `MFA_BAD_REQUEST` for what is no code at all; `MFA_TOKEN_INVALID` for a token that is spent or
   * revoked; `MFA_NOT_ENABLED`; `MFA_CODE_REJECTED` for wrong, used, replayed and lost races alike; `MFA_LOCKED`; `MFA_BUSY`
   */
  async verify(claim: CodeClaim, code: string, prepare?: Preparation): Promise<MfaStepUp> {
    const normalised = readCode(code);
    const recognised = this.recognise(normalised, claim.method);
    if (!recognised) throw await this.refuseShape(claim);

    const { factor, shape } = recognised;
    const snapshot = await this.begin(claim, factor, shape);
    const nowMs = this.clock.nowMs();
    const { match, skewSteps } = await this.evaluate(claim, factor, normalised, snapshot, { nowMs, prepare });
    if (!match) throw this.reject(claim, factor, skewSteps === undefined ? 'wrong_code' : 'clock_skew', skewSteps);

    if ((await this.complete(claim, snapshot, factor, match)) !== true) {
      // The code was right, so it was no guess: a lost race or a right code that is sent again costs nothing (S34a, S70).
      await this.limiter.release(claim.userId, factor.method);
      throw this.reject(claim, factor, 'already_spent');
    }
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

  /** The account as the code is evaluated against it, when the attempt was counted (S50). */
  private async begin(claim: CodeClaim, factor: MfaFactor, shape: CodeShape): Promise<VerificationSnapshot> {
    const known = knownOf(claim);
    const begun = await this.store.reserveAttempt({
      userId: known.userId,
      securityStamp: known.securityStamp,
      tokenId: known.tokenId,
      digits: shape.digits,
      factor: factor.method,
      policy: this.options.attempts,
      nowMs: this.clock.nowMs(),
    });
    const snapshot = begun?.snapshot;
    if (!snapshot || !claimHolds(snapshot, known)) throw this.refuseClaim(claim, factor);
    if (!digitsFit(snapshot, shape)) throw this.reject(claim, undefined, 'malformed');
    if (begun.reserved !== true) {
      throw await this.limiter.refusal(claim.userId, factor.method, { seen: snapshot.account, context: claim.context });
    }
    return snapshot;
  }

  /** A guess that the hashing queue turned away was not evaluated, and costs no attempt (S58). */
  private async evaluate(
    claim: CodeClaim,
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

  private complete(
    { userId, token }: CodeClaim,
    { account }: VerificationSnapshot,
    factor: MfaFactor,
    { entry, backupSetId, credentialId }: FactorMatch,
  ): Promise<boolean> {
    return this.store.spendAndSettle({
      userId,
      securityStamp: account.securityStamp,
      backupSetId,
      entries: token ? [entry, token] : [entry],
      factor: factor.method,
      credentialId,
      policy: this.options.attempts,
      nowMs: this.clock.nowMs(),
    });
  }

  /** A code of neither shape costs no attempt, and tells nothing of a token that is spent or revoked. */
  private async refuseShape(claim: CodeClaim): Promise<MfaError> {
    const known = knownOf(claim);
    const snapshot = await this.accounts.load(known.userId, known.tokenId);
    if (!snapshot || !claimHolds(snapshot, known)) return this.refuseClaim(claim);
    return this.reject(claim, undefined, 'malformed');
  }

  private refuseClaim(claim: CodeClaim, factor?: MfaFactor): MfaError {
    if (claim.token) return new MfaError('MFA_TOKEN_INVALID');
    // The account that was read before is another by now: a lost race.
    if (claim.securityStamp !== undefined) return this.reject(claim, factor, 'state_changed');
    return new MfaError('MFA_NOT_ENABLED');
  }

  private reject(
    { userId, context }: CodeClaim,
    factor: MfaFactor | undefined,
    failure: MfaFailureReason,
    skewSteps?: number,
  ): MfaError {
    const skew = skewSteps === undefined ? {} : { skewSteps };
    this.events.emit({ type: 'mfa.verification.failed', userId, factor: factor?.method, failure, ...skew }, context);
    return new MfaError('MFA_CODE_REJECTED');
  }
}

function knownOf({ userId, securityStamp, token }: CodeClaim): VerificationClaim {
  return { userId, securityStamp, tokenId: token?.item };
}

/** The one door for codes, HTTP or not (S24). */
export function readCode(code: unknown): string {
  if (typeof code !== 'string' || code === '' || code.length > LONGEST_CODE || code.includes('\0')) {
    throw new MfaError('MFA_BAD_REQUEST', { message: [`code must be a string of 1 to ${LONGEST_CODE} characters`] });
  }
  return normaliseCode(code);
}
