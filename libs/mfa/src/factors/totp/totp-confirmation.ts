import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeIdsOf, isEnabled, pendingAuthenticator, type AccountSnapshot } from '../../domain/accounts/account.js';
import { MfaAccountStore } from '../../domain/accounts/account.store.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../../domain/clock.js';
import { isTotpShape, readCode } from '../../domain/code.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import { type Enroller, requireHolding } from '../../enrollment/enrollers.js';
import type { MfaFailureReason } from '../../host/mfa-event.js';
import { eventAuthenticator, MfaEvents, type PreparedEvent } from '../../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { AttemptLimiter } from '../../verification/attempt-limiter.js';
import { FactorActivation, type ActivatedFactor } from '../backup-codes/factor-activation.js';
import { tidyUp } from '../../events/tidy-up.js';
import { TotpFactor } from './totp.factor.js';

/** A confirmation that was committed. */
export interface ConfirmedSetup {
  authenticator: Authenticator;
  /** The event, which the commit has stored. */
  event: PreparedEvent;
  /** The new backup codes, or `null` when a set existed. */
  codes: string[] | null;
  remaining: number;
  /** Of the account after the confirmation. */
  securityStamp: number;
  /** What is left to do once the change was delivered. */
  tidyUp: (() => Promise<unknown>)[];
}

export interface ConfirmationRequest {
  enroller: Enroller;
  code: string;
  /** The request, for events. */
  context?: ExecutionContext | undefined;
}

/** A setup that awaits its first code, and the request that brings one. */
interface Attempt {
  enroller: Enroller;
  snapshot: AccountSnapshot;
  pending: Authenticator;
  context: ExecutionContext | undefined;
}

/** Turns the pending authenticator into an active one by its first code. */
@Injectable()
export class TotpConfirmation {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly limiter: AttemptLimiter,
    private readonly factor: TotpFactor,
    private readonly activation: FactorActivation,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Makes backup codes where there are none, spends the code, and switches the account over. A setup of another
   * session is not found, and costs no attempt.
   */
  // S16, S79
  async confirm({ enroller, code, context }: ConfirmationRequest): Promise<ConfirmedSetup> {
    const { principal, binding, login } = enroller;
    const { userId } = principal;
    const snapshot = await this.accounts.load(userId, login?.spend.item);
    requireHolding(enroller, snapshot);
    const pending = snapshot && pendingAuthenticator(snapshot, this.clock.nowMs());
    if (!snapshot || pending?.setupBinding !== binding) throw setupNotFound(snapshot);

    const attempt = { enroller, snapshot, pending, context };
    const entry = await this.matchFirstCode(attempt, code);
    const { after, event, codes, remaining, tidyUp: steps } = await this.activate(attempt, entry);
    const authenticator = eventAuthenticator('totp', pending);
    this.events.emit({ type: 'mfa.verification.succeeded', userId, factor: 'confirmation', authenticator }, context);
    return {
      authenticator: pending,
      event,
      codes,
      remaining,
      securityStamp: after.account.securityStamp,
      tidyUp: this.tidying(after, pending, steps),
    };
  }

  /** The code was right, so a failure from here on releases the attempt. */
  // S58, S70
  private async activate(attempt: Attempt, entry: UsageEntry): Promise<ActivatedFactor> {
    const { enroller, snapshot: proved, pending, context } = attempt;
    try {
      return await this.activation.activate({
        enroller,
        proved,
        factor: { type: 'totp', id: pending.id },
        authenticator: eventAuthenticator('totp', pending),
        context,
        entry,
        isCurrent: (current) => pendingAuthenticator(current, this.clock.nowMs())?.id === pending.id,
        reject: (failure) => this.reject(attempt, failure),
      });
    } catch (error) {
      await tidyUp(() => this.limiter.release(proved.account.userId, 'confirmation'));
      throw error;
    }
  }

  /** Counts and matches the first code. Returns the usage row that spending it writes. */
  private async matchFirstCode(attempt: Attempt, code: string): Promise<UsageEntry> {
    const { snapshot, pending, context } = attempt;
    const normalised = readCode(code);
    if (!isTotpShape(normalised, pending.digits)) throw this.reject(attempt, 'malformed');
    await this.limiter.reserve(snapshot.account, 'confirmation', context);
    const { step, skewSteps } = this.factor.compare(pending, normalised, this.clock.nowMs());
    if (step === null) throw this.rejectEvaluated(attempt, skewSteps);
    return this.factor.entryOf(pending, step);
  }

  private tidying({ account }: AccountSnapshot, pending: Authenticator, steps: ActivatedFactor['tidyUp']) {
    const { userId, activeFactors, budgets } = account;
    // Guesses at earlier secrets say nothing about the only one that now counts; and re-enrolling is the way out of
    // a factor that too many failures disabled (S54). The daily cap stays (S51).
    const isReopened =
      activeIdsOf('totp', activeFactors).length === 1 || budgets.totp.failures >= this.options.attempts.disableAfter;
    return [
      () => this.limiter.settle(userId, 'confirmation'),
      () => this.authenticators.confirm(pending, this.clock.nowMs()),
      ...(isReopened ? [() => this.limiter.endFailures(userId, 'totp')] : []),
      ...steps,
    ];
  }

  /** Refuses a code for which no attempt stays counted. No budget limits such refusals, so their events are limited. */
  private reject({ snapshot, context }: Attempt, failure: MfaFailureReason): MfaError {
    const { userId } = snapshot.account;
    this.events.refused({ type: 'mfa.verification.failed', userId, factor: 'confirmation', failure }, context);
    return new MfaError('MFA_CODE_REJECTED');
  }

  /** Refuses a wrong code. Its attempt stays counted. */
  private rejectEvaluated({ snapshot, context }: Attempt, skewSteps: number | null): MfaError {
    const failed = { type: 'mfa.verification.failed', factor: 'confirmation' } as const;
    const why = skewSteps === null ? { failure: 'wrong_code' as const } : { failure: 'clock_skew' as const, skewSteps };
    this.events.emit({ ...failed, userId: snapshot.account.userId, ...why }, context);
    return new MfaError('MFA_CODE_REJECTED');
  }
}

/** A user with an authenticator may have confirmed it a moment ago, in another window: then nothing expired. */
function setupNotFound(snapshot: AccountSnapshot | null): MfaError {
  return new MfaError('MFA_SETUP_NOT_FOUND', {
    message: isEnabled(snapshot)
      ? 'No setup of this session awaits a code. It may have been confirmed or cancelled in another window.'
      : 'No setup of this session awaits a code, or it expired. Start again.',
  });
}
