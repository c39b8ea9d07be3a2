import { Inject, Injectable } from '@nestjs/common';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import { MfaClock } from '../domain/clock.js';
import { normaliseCode } from '../domain/code.js';
import { isMfaError, MfaError } from '../domain/mfa-error.js';
import type { UsageEntry } from '../domain/usage/usage.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaFailureReason } from '../events/mfa-event.js';
import type { CompletedStepUp } from '../host/mfa-host.js';
import { AttemptGate } from './attempt-gate.js';
import { MFA_FACTORS, type FactorMatch, type MfaFactor } from './mfa-factor.js';

/** Longest code that is looked at, in characters. */
const LONGEST_CODE = 64;

/**
 * The heart of every verification: reserve attempt → match code → spend code (and token) → settle.
 * Nothing before the spending accepts, and everything that goes wrong on the way denies (S29, S30, S45).
 */
@Injectable()
export class CodeSpending {
  constructor(
    private readonly gate: AttemptGate,
    private readonly usage: MfaUsageStore,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly MfaFactor[],
  ) {}

  /**
   * Spends `code` of the account as `snapshot` showed it, together with `token` where given: both or neither.
   * @throws MfaError `MFA_BAD_REQUEST` for what is no code at all; `MFA_CODE_REJECTED` for wrong, used, replayed and
   * lost races alike; `MFA_LOCKED`; `MFA_BUSY`
   */
  async spend(snapshot: AccountSnapshot, code: string, token?: UsageEntry): Promise<CompletedStepUp> {
    const { account } = snapshot;
    const normalised = readCode(code);
    const factor = this.factors.find((each) => each.recognises(normalised, snapshot));
    if (!factor) throw this.reject(account.userId, undefined, 'malformed');

    await this.gate.reserve(account, factor.method);
    const nowMs = this.clock.nowMs();
    const match = await this.match(factor, normalised, snapshot, nowMs);
    if (!match) throw this.reject(account.userId, factor, 'wrong_code');

    if ((await this.spendMatch(snapshot, match, token)) !== true) {
      // A right code sent twice: the second one must not use up the day's attempts of its owner (S34a).
      await this.gate.refund(account.userId, factor.method);
      throw this.reject(account.userId, factor, 'already_spent');
    }
    await this.gate.settle(account.userId, factor.method);
    await match.noteUse(nowMs);

    this.events.emit({ type: 'verification.succeeded', userId: account.userId, factor: factor.method });
    const spentBackupCode = factor.method === 'backup_code' ? 1 : 0;
    return {
      userId: account.userId,
      amr: [...factor.amr],
      mfaAt: new Date(nowMs),
      factor: factor.method,
      backupCodesRemaining: Math.max(0, snapshot.backupCodesRemaining - spentBackupCode),
    };
  }

  /** A guess that the hashing queue turned away was not evaluated, and costs no attempt (S58). */
  private async match(
    factor: MfaFactor,
    code: string,
    snapshot: AccountSnapshot,
    nowMs: number,
  ): Promise<FactorMatch | null> {
    try {
      return await factor.match(code, snapshot, nowMs);
    } catch (error) {
      if (isMfaError(error) && error.code === 'MFA_BUSY') {
        await this.gate.release(snapshot.account.userId, factor.method);
        this.reject(snapshot.account.userId, factor, 'busy');
      }
      throw error;
    }
  }

  private spendMatch({ account }: AccountSnapshot, match: FactorMatch, token?: UsageEntry): Promise<boolean> {
    return this.usage.spend({
      userId: account.userId,
      epoch: account.epoch,
      backupSetId: match.backupSetId,
      entries: token ? [match.entry, token] : [match.entry],
      nowMs: this.clock.nowMs(),
    });
  }

  private reject(userId: string, factor: MfaFactor | undefined, reason: MfaFailureReason): MfaError {
    this.events.emit({ type: 'verification.failed', userId, factor: factor?.method, reason });
    return new MfaError('MFA_CODE_REJECTED');
  }
}

/** The one door for codes, HTTP or not (S24). */
export function readCode(code: unknown): string {
  if (typeof code !== 'string' || code === '' || code.length > LONGEST_CODE || code.includes('\0')) {
    throw new MfaError('MFA_BAD_REQUEST', { message: [`code must be a string of 1 to ${LONGEST_CODE} characters`] });
  }
  return normaliseCode(code);
}
