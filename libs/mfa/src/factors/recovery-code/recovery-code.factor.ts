import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import {
  Factor,
  type Credential,
  type FactorEvaluation,
  type FactorState,
  type ProofShape,
} from '../../domain/factors/factor.js';
import { isRecoveryCodeShape, isSpentRecoveryCode, matchRecoveryCode } from '../../domain/recovery/recovery-code.js';
import { MfaUsageStore } from '../../domain/usage/usage.store.js';
import type { Proof, ProofPurpose } from '../../domain/verification/proof.js';
import { MfaEvents } from '../../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';

/**
 * The code that an administrator issued for a user who lost every factor. It passes the second step of a login only, and
 * that login then enrolls a factor that replaces the others. It is in no list of methods.
 */
// S104
@Injectable()
export class RecoveryCodeFactor extends Factor {
  readonly method = 'recovery_code';
  readonly budget = 'recovery_code';
  readonly rows = 'none';
  override readonly isEnrollable = false;
  override readonly purposes: readonly ProofPurpose[] = ['verify'];

  constructor(
    private readonly usage: MfaUsageStore,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  /** A request must name the method. */
  recognises(proof: Proof): ProofShape | null {
    return proof.kind === 'code' && proof.method === this.method && isRecoveryCodeShape(proof.code) ? {} : null;
  }

  override isAvailable(): boolean {
    return false;
  }

  async evaluate(proof: Proof, { snapshot: { account }, nowMs }: FactorState): Promise<FactorEvaluation> {
    if (proof.kind !== 'code') return { match: null };
    const { userId } = account;
    const { keyRing } = this.options;
    const { code } = proof;
    const found = matchRecoveryCode(account, code, { keyRing, nowMs });
    if (!found) {
      const isSpent = await isSpentRecoveryCode(this.usage, { userId, code, keyRing });
      return { match: null, ...(isSpent ? { failure: 'already_spent' } : {}) };
    }
    const noteUse = async (_: number, context?: unknown) =>
      this.events.emit({ type: 'mfa.recovery_code.used', userId }, context as ExecutionContext | undefined);
    return { match: { ...found, use: null, amr: [], sealed: [], noteUse } };
  }

  /** The code is a column of the account row, so the factor has no rows. */
  async describe(): Promise<Credential[]> {
    return [];
  }

  async rename(): Promise<boolean> {
    return false;
  }

  async startGrace(): Promise<void> {}

  async forget(): Promise<void> {}

  async purge(): Promise<number> {
    return 0;
  }
}
