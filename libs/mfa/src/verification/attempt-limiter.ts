import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import type { MfaAccount } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { retryAfterSeconds } from '../domain/attempts/attempt-budget.js';
import type { AttemptFactor } from '../domain/attempts/attempt-policy.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** Reserves, releases and settles attempts. Every guess is counted as failed before it is evaluated. */
// S50
@Injectable()
export class AttemptLimiter {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Reserves one attempt of the account at its security stamp.
   * @throws MfaError `MFA_LOCKED`; `MFA_CODE_REJECTED` when the account changed meanwhile
   */
  async reserve(
    { userId, securityStamp }: MfaAccount,
    factor: AttemptFactor,
    context?: ExecutionContext,
  ): Promise<void> {
    const nowMs = this.clock.nowMs();
    const policy = this.options.attempts;
    if ((await this.accounts.reserve({ userId, securityStamp, factor, policy, nowMs })) === true) return;
    throw await this.refusal(userId, factor, { context });
  }

  /**
   * Why an attempt was not counted: `MFA_LOCKED`, or `MFA_CODE_REJECTED` for an account that changed meanwhile.
   * @param seen the account at that moment, If it is not locked, the account is read again
   */
  async refusal(
    userId: string,
    factor: AttemptFactor,
    { seen, context }: { seen?: MfaAccount; context?: ExecutionContext } = {},
  ): Promise<MfaError> {
    const retryAfter = (seen && this.retryAfter(seen, factor)) ?? (await this.retryAfterNow(userId, factor));
    const failure = retryAfter === null ? 'state_changed' : 'locked';
    this.events.refused({ type: 'mfa.verification.failed', userId, factor, failure }, context);
    return retryAfter === null
      ? new MfaError('MFA_CODE_REJECTED')
      : new MfaError('MFA_LOCKED', { retryAfterSeconds: retryAfter });
  }

  /** Takes a reservation back: the code was not evaluated, or it was right and already spent. */
  // S70
  async release(userId: string, factor: AttemptFactor): Promise<void> {
    await this.accounts.release(userId, factor, this.options.attempts);
  }

  /** After a success: sets the failures to 0, ends the lock, and gives the daily cap one attempt back. Call it only after {@link reserve}. */
  async settle(userId: string, factor: AttemptFactor): Promise<void> {
    await this.accounts.settle(userId, factor, this.options.attempts);
  }

  /** Ends failures and lock of a factor whose secret or codes were replaced, without a reservation. */
  // S54
  async endFailures(userId: string, factor: AttemptFactor): Promise<void> {
    await this.accounts.endFailures(userId, factor);
  }

  private async retryAfterNow(userId: string, factor: AttemptFactor): Promise<number | null> {
    const now = await this.accounts.load(userId);
    return now ? this.retryAfter(now.account, factor) : null;
  }

  private retryAfter({ budgets }: MfaAccount, factor: AttemptFactor): number | null {
    return retryAfterSeconds(budgets[factor], this.options.attempts, this.clock.nowMs());
  }
}
