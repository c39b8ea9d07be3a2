import { Injectable } from '@nestjs/common';
import { isEnabled, isActive, type AccountSnapshot, type MfaAccount } from '../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { ORPHAN_GRACE_MS } from '../domain/accounts/orphan-grace.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { BackupCodeIssuing } from './backup-code-issuing.js';
import { tidyUp } from './tidy-up.js';

/** A removal that was committed. */
export interface Removal {
  /** Whether any authenticator is left. */
  anyLeft: boolean;
  /** The account before the removal. */
  before: AccountSnapshot;
  /** Removes the rows, once the change was delivered; never throws. */
  tidyUp: () => Promise<void>;
}

/** What switches an account off: nothing is required, nothing verifies, every mfa_token is dead (S43, S59). */
const switchedOff = ({ securityStamp }: MfaAccount): AccountChange => ({
  securityStamp: securityStamp + 1,
  activeFactors: [],
  pendingId: null,
  backupSetId: null,
});

/**
 * Takes credentials away. The account's row decides in one write. The rows behind it get a deadline just before, so
 * that the cleanup collects them should this process die before it removes them.
 */
@Injectable()
export class AuthenticatorRemoval {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly issuing: BackupCodeIssuing,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Removes everything.
   * @param securityStamp of the account that was proved for; left out by an administrator, who needs no proof
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof: a lost race
   */
  async all(userId: string, securityStamp?: number): Promise<Removal> {
    const decide = async (now: AccountSnapshot) => {
      if (securityStamp !== undefined && now.account.securityStamp !== securityStamp)
        throw new MfaError('MFA_CODE_REJECTED');
      await this.startGraceOfAll(now);
      return switchedOff(now.account);
    };
    const { before } = await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
    return { anyLeft: false, before, tidyUp: () => this.discardAll(before) };
  }

  /**
   * Removes one; removing the last one is removing everything.
   * @param securityStamp of the account that was proved for: a proof by an authenticator that is gone since proves nothing
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof: a lost race
   */
  async one(userId: string, id: string, securityStamp: number): Promise<Removal> {
    const decide = async (now: AccountSnapshot) => {
      const { account } = now;
      if (account.securityStamp !== securityStamp || !isActive(account, id)) throw new MfaError('MFA_CODE_REJECTED');
      const left = account.activeFactors.filter((factor) => factor.id !== id);
      if (left.length === 0) {
        await this.startGraceOfAll(now);
        return switchedOff(account);
      }
      await this.authenticators.collectAfter(userId, [id], this.graceEnd());
      return { securityStamp: securityStamp + 1, activeFactors: left, pendingId: null };
    };
    const { before, after } = await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
    const anyLeft = isEnabled(after);
    return { anyLeft, before, tidyUp: () => (anyLeft ? this.discardOne(before, id) : this.discardAll(before)) };
  }

  private async startGraceOfAll({ account, authenticators }: AccountSnapshot): Promise<void> {
    const ids = idsOf(authenticators);
    if (ids.length > 0) await this.authenticators.collectAfter(account.userId, ids, this.graceEnd());
    await this.issuing.startGrace(account.userId, account.backupSetId);
  }

  private discardOne({ account: { userId, pendingId } }: AccountSnapshot, id: string): Promise<void> {
    return tidyUp(() => this.authenticators.remove(userId, pendingId === null ? [id] : [id, pendingId]));
  }

  private discardAll({ account, authenticators }: AccountSnapshot): Promise<void> {
    const ids = idsOf(authenticators);
    return tidyUp(
      async () => ids.length > 0 && this.authenticators.remove(account.userId, ids),
      () => this.issuing.discard(account.userId, account.backupSetId),
    );
  }

  private graceEnd(): number {
    return this.clock.nowMs() + ORPHAN_GRACE_MS;
  }
}

const idsOf = (authenticators: readonly Authenticator[]) => authenticators.map(({ id }) => id);
