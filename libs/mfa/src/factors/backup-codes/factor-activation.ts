import { Injectable } from '@nestjs/common';
import { formatActiveFactors, type AccountSnapshot, type ActiveFactor } from '../../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../../domain/accounts/account.store.js';
import { changeAccount } from '../../domain/accounts/change-account.js';
import { MfaClock } from '../../domain/clock.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import { MfaUsageStore } from '../../domain/usage/usage.store.js';
import { isLostRace, tidyUp } from '../../events/tidy-up.js';
import type { MfaFailureReason } from '../../host/mfa-event.js';
import { AttemptLimiter } from '../../verification/attempt-limiter.js';
import { BackupCodeIssuing, type IssuedBackupCodes } from './backup-code-issuing.js';

/** Most factors of one account: as many as its column holds. */
const MOST_FACTORS = 40;

/** A factor whose first proof was right. */
export interface ActivationRequest {
  /** The account for which the proof was right. */
  proved: AccountSnapshot;
  factor: ActiveFactor;
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
  after: AccountSnapshot;
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
  ) {}

  /**
   * @throws MfaError `MFA_CODE_REJECTED` for a proof that is spent and for a lost race; `MFA_TOO_MANY_AUTHENTICATORS`;
   * `MFA_BUSY`
   */
  async activate(request: ActivationRequest): Promise<ActivatedFactor> {
    const { account } = request.proved;
    const progress: ActivationProgress = { issued: null, isOpen: false };
    try {
      // Made before the proof is spent: a full hashing queue does not cost the proof (S58).
      if (account.backupSetId === null) progress.issued = await this.issuing.makeFor(account.userId, request.entry);
      await this.spend(request);
      const after = await this.switchOver(request, progress);
      const { issued } = progress;
      const codes = after.account.backupSetId === issued?.setId ? issued.codes : null;
      const remaining = codes?.length ?? after.backupCodesRemaining;
      return { after, codes, remaining, tidyUp: this.tidying(after, issued) };
    } catch (error) {
      await this.undo(request, progress, error);
      throw error;
    }
  }

  /** An error of the commit itself leaves open whether it was committed: then the rows stay until their grace ends. */
  private async undo({ proved, discard }: ActivationRequest, progress: ActivationProgress, error: unknown) {
    const { userId } = proved.account;
    const { issued, isOpen } = progress;
    const isLost = isLostRace(error);
    if (isLost && issued) await tidyUp(() => this.issuing.discard(userId, issued.setId));
    if (discard && (isLost || !isOpen)) await tidyUp(discard);
  }

  private async spend({ proved, entry, reject }: ActivationRequest): Promise<void> {
    if (!entry) return;
    const { userId, securityStamp } = proved.account;
    const nowMs = this.clock.nowMs();
    const isSpent = (await this.usage.spend({ userId, securityStamp, entries: [entry], nowMs })) === true;
    if (!isSpent) throw reject('already_spent');
  }

  /** The commit point: from here on the factor counts, and so do its backup codes. */
  private async switchOver(
    { proved, factor, isCurrent, reject }: ActivationRequest,
    progress: ActivationProgress,
  ): Promise<AccountSnapshot> {
    const { userId, securityStamp } = proved.account;
    const { issued } = progress;
    const decide = (current: AccountSnapshot): AccountChange => {
      const { account } = current;
      // The commit before this one, if any, was lost.
      progress.isOpen = false;
      // Confirmed by a parallel request, cancelled, expired, or disabled meanwhile: a lost race (S17).
      if (account.securityStamp !== securityStamp || !isCurrent(current)) throw reject('state_changed');
      if (issued) this.issuing.requireHeld(issued);
      const activeFactors = [...account.activeFactors, factor];
      if (activeFactors.length > MOST_FACTORS) throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
      progress.isOpen = true;
      return { pendingId: null, activeFactors, backupSetId: account.backupSetId ?? issued?.setId ?? null };
    };
    return (await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED')).after;
  }

  private tidying({ account }: AccountSnapshot, issued: IssuedBackupCodes | null): (() => Promise<unknown>)[] {
    if (!issued) return [];
    const { userId } = account;
    if (issued.setId !== account.backupSetId) return [() => this.issuing.discard(userId, issued.setId)];
    return [() => this.limiter.endFailures(userId, 'backup_code'), () => this.issuing.keep(userId, issued.setId)];
  }
}

/** Whether the account has the same factors and backup codes as before. */
export function hasSameFactors(a: AccountSnapshot, b: AccountSnapshot): boolean {
  return (
    a.account.backupSetId === b.account.backupSetId &&
    formatActiveFactors(a.account.activeFactors) === formatActiveFactors(b.account.activeFactors)
  );
}
