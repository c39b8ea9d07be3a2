import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import {
  activeIdsOf,
  formatActiveFactors,
  type AccountSnapshot,
  type ActiveFactor,
} from '../../domain/accounts/account.js';
import { MfaAccountStore } from '../../domain/accounts/account.store.js';
import { changeAccount, type DecidedChange } from '../../domain/accounts/change-account.js';
import { MfaClock } from '../../domain/clock.js';
import { type Factor, MFA_FACTORS } from '../../domain/factors/factor.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import { MfaUsageStore } from '../../domain/usage/usage.store.js';
import { type Enroller, replacesFactors } from '../../enrollment/enrollers.js';
import { MfaEvents, type PreparedEvent } from '../../events/mfa-events.js';
import { isLostRace, tidyUp } from '../../events/tidy-up.js';
import type { MfaEventAuthenticator, MfaFailureReason } from '../../host/mfa-event.js';
import { AttemptLimiter } from '../../verification/attempt-limiter.js';
import { BackupCodeIssuing, type IssuedBackupCodes } from './backup-code-issuing.js';

/** Most factors of one account: as many as its column holds. */
const MOST_FACTORS = 40;

/** A factor whose first proof was right. */
export interface ActivationRequest {
  enroller: Enroller;
  /** The account for which the proof was right. */
  proved: AccountSnapshot;
  factor: ActiveFactor;
  /** The factor as its event names it. */
  authenticator: MfaEventAuthenticator;
  /** The request, for the event. */
  context: ExecutionContext | undefined;
  /** The usage row that spends the proof. Left out where the proof is spent already. */
  entry?: UsageEntry;
  /** Whether the factor may still be activated. Runs again for each state of the account that is read. */
  isCurrent: (current: AccountSnapshot) => boolean;
  /** Reports a proof that is refused. */
  reject: (failure: MfaFailureReason) => MfaError;
  /** Removes the row of the factor. Runs if the activation certainly was not committed. */
  discard?: () => Promise<unknown>;
}

/** How far an activation came. */
interface ActivationProgress {
  issued: IssuedBackupCodes | null;
  /** Whether the commit was sent and its result is not known. */
  isOpen: boolean;
}

/** An activation that was committed. */
export interface ActivatedFactor {
  /** The account after the commit. */
  after: AccountSnapshot;
  /** The event, which the commit has stored. */
  event: PreparedEvent;
  /** The new backup codes, or `null` when a set existed. */
  codes: string[] | null;
  remaining: number;
  /** Keeps the new set, or removes one that was made in vain. For {@link tidyUp}. */
  tidyUp: (() => Promise<unknown>)[];
}

/** Makes a proved factor count: makes backup codes where there are none, spends the proof, and switches the account over. */
@Injectable()
export class FactorActivation {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly usage: MfaUsageStore,
    private readonly issuing: BackupCodeIssuing,
    private readonly limiter: AttemptLimiter,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
  ) {}

  /**
   * @throws MfaError `MFA_CODE_REJECTED` for a proof that is spent and for a lost race; `MFA_TOO_MANY_AUTHENTICATORS`;
   * `MFA_BUSY`
   */
  async activate(request: ActivationRequest): Promise<ActivatedFactor> {
    const { account } = request.proved;
    const event = this.prepare(request);
    const progress: ActivationProgress = { issued: null, isOpen: false };
    try {
      // Made before the proof is spent: a full hashing queue does not cost the proof (S58).
      const entries = entriesOf(request);
      if (account.backupSetId === null || replacesFactors(request.enroller))
        progress.issued = await this.issuing.makeFor(account.userId, entries[0]);
      await this.spend(request, entries);
      const { before, after } = await this.switchOver(request, event, progress);
      const { issued } = progress;
      const codes = after.account.backupSetId === issued?.setId ? issued.codes : null;
      const remaining = codes?.length ?? after.backupCodesRemaining;
      const replaced = replacesFactors(request.enroller) ? this.forgetting(before) : [];
      return { after, event, codes, remaining, tidyUp: [...this.tidying(after, issued), ...replaced] };
    } catch (error) {
      await this.undo(request, progress, error);
      throw error;
    }
  }

  private prepare({ enroller, authenticator, context }: ActivationRequest): PreparedEvent {
    const type = replacesFactors(enroller) ? 'mfa.recovered' : 'mfa.authenticator.confirmed';
    return this.events.prepare({ type, userId: enroller.principal.userId, authenticator }, context);
  }

  /** An error of the commit itself leaves open whether it was committed: then the rows stay until their grace ends. */
  private async undo({ proved, discard }: ActivationRequest, progress: ActivationProgress, error: unknown) {
    const { userId } = proved.account;
    const { issued, isOpen } = progress;
    const isLost = isLostRace(error);
    if (isLost && issued) await tidyUp(() => this.issuing.discard(userId, issued.setId));
    if (discard && (isLost || !isOpen)) await tidyUp(discard);
  }

  /** Spends the proof together with the token of the login. */
  // S100
  private async spend({ proved, reject }: ActivationRequest, entries: readonly UsageEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const { userId, securityStamp } = proved.account;
    const nowMs = this.clock.nowMs();
    const isSpent = (await this.usage.spend({ userId, securityStamp, entries, nowMs })) === true;
    if (!isSpent) throw reject('already_spent');
  }

  /** The commit point: from here on the factor counts, and so do its backup codes. */
  private async switchOver(
    { enroller, proved, factor, isCurrent, reject }: ActivationRequest,
    { lastChange }: PreparedEvent,
    progress: ActivationProgress,
  ): Promise<{ before: AccountSnapshot; after: AccountSnapshot }> {
    const { userId, securityStamp } = proved.account;
    const { issued } = progress;
    const isReplacing = replacesFactors(enroller);
    const decide = async (current: AccountSnapshot): Promise<DecidedChange> => {
      const { account } = current;
      // The commit before this one, if any, was lost.
      progress.isOpen = false;
      // Confirmed by a parallel request, cancelled, expired, or disabled meanwhile: a lost race (S17).
      const isAsProved = account.securityStamp === securityStamp && isCurrent(current);
      if (!isAsProved || enroller.login?.holds(current) === false) throw reject('state_changed');
      if (issued) this.issuing.requireHeld(issued);
      const activeFactors = isReplacing ? [factor] : [...account.activeFactors, factor];
      if (activeFactors.length > MOST_FACTORS) throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
      if (isReplacing) await this.startGrace(current);
      progress.isOpen = true;
      // A set that stays is left out: PostgreSQL would count its codes as they were before a parallel login.
      const keepsCodes = !isReplacing && account.backupSetId !== null;
      const codes = keepsCodes ? {} : { backupSetId: issued?.setId ?? null };
      const change = { pendingId: null, activeFactors, ...codes, lastChange };
      return { ...change, ...ENDED, ...(isReplacing ? { securityStamp: securityStamp + 1 } : {}) };
    };
    return changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
  }

  /** Lets the cleanup collect the rows that a new factor replaces, in case this process ends before it deletes them. */
  private async startGrace(replaced: AccountSnapshot): Promise<void> {
    for (const factor of this.factors) await factor.startGrace(replaced, idsOf(factor, replaced));
  }

  /** Deletes the rows that a new factor replaced. */
  private forgetting(replaced: AccountSnapshot): (() => Promise<unknown>)[] {
    return this.factors.map((factor) => () => factor.forget(replaced, idsOf(factor, replaced)));
  }

  private tidying({ account }: AccountSnapshot, issued: IssuedBackupCodes | null): (() => Promise<unknown>)[] {
    if (!issued) return [];
    const { userId } = account;
    if (issued.setId !== account.backupSetId) return [() => this.issuing.discard(userId, issued.setId)];
    return [() => this.limiter.endFailures(userId, 'backup_code'), () => this.issuing.keep(userId, issued.setId)];
  }
}

/** What every activation ends: the duty to enroll after a reset, and a recovery code that was not used. */
// S102, S104
const ENDED = { mustEnrollSinceMs: null, recovery: null } as const;

const idsOf = ({ method }: Factor, { account }: AccountSnapshot) => activeIdsOf(method, account.activeFactors);

/** The usage rows that spend the proof and the token of the login. */
function entriesOf({ entry, enroller: { login } }: ActivationRequest): UsageEntry[] {
  return [entry, login?.spend].filter((each) => each !== undefined);
}

/** Whether the account has the same factors and backup codes as before. */
export function hasSameFactors(a: AccountSnapshot, b: AccountSnapshot): boolean {
  return (
    a.account.backupSetId === b.account.backupSetId &&
    formatActiveFactors(a.account.activeFactors) === formatActiveFactors(b.account.activeFactors)
  );
}
