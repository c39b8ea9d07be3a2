import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { isEnabled, pendingAuthenticator, type AccountSnapshot } from '../../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../../domain/accounts/account.store.js';
import { changeAccount } from '../../domain/accounts/change-account.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../../domain/clock.js';
import { isTotpShape, readCode } from '../../domain/code.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import { MfaUsageStore } from '../../domain/usage/usage.store.js';
import type { MfaFailureReason } from '../../host/mfa-event.js';
import { MfaEvents } from '../../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { AttemptLimiter } from '../../verification/attempt-limiter.js';
import { BackupCodeIssuing, type IssuedBackupCodes } from '../backup-codes/backup-code-issuing.js';
import { isLostRace, tidyUp } from '../../events/tidy-up.js';
import { TotpFactor } from './totp.factor.js';

/** A confirmation that was committed. */
export interface ConfirmedSetup {
  authenticator: Authenticator;
  /** The new backup codes, or `null` when a set existed. */
  codes: string[] | null;
  remaining: number;
  /** Of the account, under which the setup was confirmed. */
  securityStamp: number;
  /** What is left to do once the change was delivered; never throws. */
  tidyUp: () => Promise<void>;
}

export interface ConfirmationRequest {
  userId: string;
  /** See `setupBinding`. */
  binding: string | null;
  code: string;
  /** The request, for events. */
  context?: ExecutionContext | undefined;
}

/** A setup that awaits its first code, and the request that brings one. */
interface Attempt {
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
    private readonly usage: MfaUsageStore,
    private readonly limiter: AttemptLimiter,
    private readonly factor: TotpFactor,
    private readonly issuing: BackupCodeIssuing,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Makes backup codes where there are none, spends the code, and switches the account over. A setup of another
   * session is not found, and costs no attempt.
   */
  // S16, S79
  async confirm({ userId, binding, code, context }: ConfirmationRequest): Promise<ConfirmedSetup> {
    const snapshot = await this.accounts.load(userId);
    const pending = snapshot && pendingAuthenticator(snapshot, this.clock.nowMs());
    if (!snapshot || pending?.setupBinding !== binding) throw setupNotFound(snapshot);

    const attempt = { snapshot, pending, context };
    const entry = await this.matchFirstCode(attempt, code);
    const { issued, after } = await this.switchOver(attempt, entry);
    const codes = after.account.backupSetId === issued?.setId ? issued.codes : null;
    this.events.emit({ type: 'mfa.verification.succeeded', userId, factor: 'confirmation' }, context);
    return {
      authenticator: pending,
      codes,
      remaining: codes?.length ?? after.backupCodesRemaining,
      securityStamp: after.account.securityStamp,
      tidyUp: () => this.tidyUp(after, pending, issued),
    };
  }

  /** The code was right, so a failure from here on releases the attempt. */
  // S58, S70
  private async switchOver(
    attempt: Attempt,
    entry: UsageEntry,
  ): Promise<{ issued: IssuedBackupCodes | null; after: AccountSnapshot }> {
    const { userId, backupSetId } = attempt.snapshot.account;
    let issued: IssuedBackupCodes | null = null;
    try {
      // Made before the code is spent: a full hashing queue does not cost the code (S58).
      if (backupSetId === null) issued = await this.issuing.makeFor(userId, entry);
      await this.spendFirstCode(attempt, entry);
      return { issued, after: await this.activate(attempt, issued) };
    } catch (error) {
      const lostSetId = isLostRace(error) && issued ? issued.setId : null;
      await tidyUp(
        () => this.limiter.release(userId, 'confirmation'),
        () => this.issuing.discard(userId, lostSetId),
      );
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
    if (step === null) throw this.reject(attempt, skewSteps === null ? 'wrong_code' : 'clock_skew', skewSteps);
    return this.factor.entryOf(pending, step);
  }

  private async spendFirstCode(attempt: Attempt, entry: UsageEntry): Promise<void> {
    const { userId, securityStamp } = attempt.snapshot.account;
    const nowMs = this.clock.nowMs();
    if ((await this.usage.spend({ userId, securityStamp, entries: [entry], nowMs })) === true) return;
    throw this.reject(attempt, 'already_spent');
  }

  /** The commit point: from here on the authenticator counts, and so do its backup codes. */
  private async activate(attempt: Attempt, issued: IssuedBackupCodes | null): Promise<AccountSnapshot> {
    const { snapshot: seen, pending } = attempt;
    const decide = (current: AccountSnapshot): AccountChange => {
      const { account } = current;
      const isPending = pendingAuthenticator(current, this.clock.nowMs())?.id === pending.id;
      // Confirmed by a parallel request, cancelled, expired, or disabled meanwhile: a lost race (S17).
      if (!isPending || account.securityStamp !== seen.account.securityStamp)
        throw this.reject(attempt, 'state_changed');
      if (issued) this.issuing.requireHeld(issued);
      return {
        pendingId: null,
        activeFactors: [...account.activeFactors, { type: 'totp', id: pending.id }],
        backupSetId: account.backupSetId ?? issued?.setId ?? null,
      };
    };
    const { after } = await changeAccount(this.accounts, seen.account.userId, decide, 'MFA_CODE_REJECTED');
    return after;
  }

  private tidyUp({ account }: AccountSnapshot, pending: Authenticator, issued: IssuedBackupCodes | null) {
    const { userId, activeFactors, budgets, backupSetId } = account;
    const isKept = issued !== null && issued.setId === backupSetId;
    // Guesses at earlier secrets say nothing about the only one that now counts; and re-enrolling is the way out of
    // a factor that too many failures disabled (S54). The daily cap stays (S51).
    const isReopened = activeFactors.length === 1 || budgets.totp.failures >= this.options.attempts.disableAfter;
    const steps: (() => Promise<unknown>)[] = [
      () => this.limiter.settle(userId, 'confirmation'),
      () => this.authenticators.confirm(pending, this.clock.nowMs()),
    ];
    if (isReopened) steps.push(() => this.limiter.endFailures(userId, 'totp'));
    if (isKept) steps.push(() => this.limiter.endFailures(userId, 'backup_code'));
    if (issued)
      steps.push(() => (isKept ? this.issuing.keep(userId, issued.setId) : this.issuing.discard(userId, issued.setId)));
    return tidyUp(...steps);
  }

  private reject({ snapshot, context }: Attempt, failure: MfaFailureReason, skewSteps: number | null = null): MfaError {
    const { userId } = snapshot.account;
    const skew = skewSteps === null ? {} : { skewSteps };
    this.events.emit({ type: 'mfa.verification.failed', userId, factor: 'confirmation', failure, ...skew }, context);
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
