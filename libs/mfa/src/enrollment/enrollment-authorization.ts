import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { AccountSnapshot, MfaAccount } from '../domain/accounts/account.js';
import { MfaClock } from '../domain/clock.js';
import { readCode } from '../domain/code.js';
import { MfaError } from '../domain/mfa-error.js';
import { isRecoveryCodeShape, isSpentRecoveryCode, matchRecoveryCode } from '../domain/recovery/recovery-code.js';
import type { Spending, UsageEntry } from '../domain/usage/usage.js';
import { MfaUsageStore, type WhenKnown } from '../domain/usage/usage.store.js';
import { MfaEvents } from '../events/mfa-events.js';
import { tidyUp } from '../events/tidy-up.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaFailureReason } from '../host/mfa-event.js';
import type { MfaMethod } from '../host/mfa-method.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from '../verification/attempt-limiter.js';
import type { EnrollingLogin } from './enrollers.js';

/** What the client sent with the setup. */
export interface AuthorizationRequest {
  code?: string | null | undefined;
  method?: MfaMethod | null | undefined;
  context?: ExecutionContext | undefined;
}

/** Decides whether the holder of an enrollment token may enroll a factor. */
// S100
@Injectable()
export class EnrollmentAuthorization {
  constructor(
    private readonly host: MfaHostAccess,
    private readonly usage: MfaUsageStore,
    private readonly limiter: AttemptLimiter,
    private readonly events: MfaEvents,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Requires a recovery code, or asks the host, before the first setup of a login that gave only the first factor. The
   * decision is stored for the life of the token, so that a repeated setup needs no further code.
   * @throws MfaError `MFA_PROOF_REQUIRED`; `MFA_CODE_REJECTED`, `MFA_LOCKED` for a recovery code; `MFA_TOKEN_INVALID` if the
   * account changed in the meantime; and what the host throws
   */
  async require(snapshot: AccountSnapshot, login: EnrollingLogin, request: AuthorizationRequest): Promise<void> {
    const { account } = snapshot;
    const { reason, proved, spend } = login;
    if (proved || reason === 'recovery') return;
    const { host } = this;
    const asksHost = typeof host.instance.authorizeEnrollment === 'function';
    if (!asksHost && this.options.allowPasswordOnly) return;
    const authorized: UsageEntry = { ...spend, kind: 'authorized' };
    if (await this.usage.has(account.userId, authorized)) return;
    if (request.method === 'recovery_code') return this.byRecoveryCode(account, authorized, request);
    const { context } = request;
    const isAuthorized = await host.call((each) => each.authorizeEnrollment?.(account.userId, { reason }, context));
    if (isAuthorized !== true) throw new MfaError('MFA_PROOF_REQUIRED', { proof: ['recovery_code'] });
    // A parallel setup of the same login may have stored it first.
    const isStored = await this.store(account, { entries: [authorized] });
    if (!isStored && !(await this.usage.has(account.userId, authorized))) throw new MfaError('MFA_TOKEN_INVALID');
  }

  /** The code is spent with the decision that it proves. */
  // S104
  private async byRecoveryCode(
    account: MfaAccount,
    authorized: UsageEntry,
    { code: given, context }: AuthorizationRequest,
  ): Promise<void> {
    const { userId } = account;
    const code = readCode(given);
    const failed = { type: 'mfa.verification.failed', userId, factor: 'recovery_code' } as const;
    // No attempt stays counted for such a refusal, so no budget limits it, and its events are limited.
    const refuse = (failure: MfaFailureReason) => {
      this.events.refused({ ...failed, failure }, context);
      return new MfaError('MFA_CODE_REJECTED');
    };
    if (!isRecoveryCodeShape(code)) throw refuse('malformed');
    await this.limiter.reserve(account, 'recovery_code', context);
    const { keyRing } = this.options;
    const release = () => this.limiter.release(userId, 'recovery_code');
    const found = matchRecoveryCode(account, code, { keyRing, nowMs: this.clock.nowMs() });
    if (!found) {
      if (await this.isSpent({ userId, code, keyRing }, release)) throw refuse('already_spent');
      this.events.emit({ ...failed, failure: 'wrong_code' }, context);
      throw new MfaError('MFA_CODE_REJECTED');
    }
    const { entry, recoveryHash } = found;
    const whenKnown = (isSpent: boolean) => (isSpent ? this.limiter.settle(userId, 'recovery_code') : release());
    if (!(await this.store(account, { entries: [entry, authorized], recoveryHash }, whenKnown))) {
      await release();
      throw refuse('already_spent');
    }
    await tidyUp(() => this.limiter.settle(userId, 'recovery_code'));
    this.events.emit({ type: 'mfa.verification.succeeded', userId, factor: 'recovery_code' }, context);
    this.events.emit({ type: 'mfa.recovery_code.used', userId }, context);
  }

  /** Releases the attempt for a code that was right once, and where that is not known. */
  // S58, S70
  private async isSpent(
    given: Parameters<typeof isSpentRecoveryCode>[1],
    release: () => Promise<void>,
  ): Promise<boolean> {
    const isSpent = await isSpentRecoveryCode(this.usage, given).catch(async (error: unknown) => {
      await release();
      throw error;
    });
    if (isSpent) await release();
    return isSpent;
  }

  private async store(
    { userId, securityStamp }: MfaAccount,
    spent: Pick<Spending, 'entries' | 'recoveryHash'>,
    whenKnown?: WhenKnown,
  ): Promise<boolean> {
    return (await this.usage.spend({ userId, securityStamp, ...spent, nowMs: this.clock.nowMs() }, whenKnown)) === true;
  }
}
