import { Injectable } from '@nestjs/common';
import type { AccountSnapshot, MfaAccount } from '../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { LEASE_MS } from '../domain/accounts/lease.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { BackupCodeIssuing } from './backup-code-issuing.js';

/** What switches an account off: nothing gates, nothing verifies, every mfa_token is dead (S43, S59). */
const switchedOff = ({ epoch }: MfaAccount): AccountChange => ({
  epoch: epoch + 1,
  activeIds: [],
  pendingId: null,
  backupSetId: null,
});

/**
 * Takes credentials away. The account's row decides in one write; the rows behind it get a lease just before, so
 * that the cleanup collects them should this process die before removing them.
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
   * @param epoch of the account that was proved for; left out by an administrator, who needs no proof
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof: a lost race
   */
  async all(userId: string, epoch?: number): Promise<void> {
    const { before } = await changeAccount(this.accounts, userId, async (now) => {
      if (epoch !== undefined && now.account.epoch !== epoch) throw new MfaError('MFA_CODE_REJECTED');
      await this.leaseAll(now);
      return switchedOff(now.account);
    });
    await this.discardAll(before);
  }

  /**
   * Removes one; removing the last one is removing everything.
   * @returns whether any is left
   * @throws MfaError `MFA_AUTHENTICATOR_NOT_FOUND` when it is gone meanwhile
   */
  async one(userId: string, id: string): Promise<boolean> {
    const { before, after } = await changeAccount(this.accounts, userId, async (now) => {
      const { activeIds, epoch } = now.account;
      if (!activeIds.includes(id)) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
      const left = activeIds.filter((each) => each !== id);
      if (left.length === 0) {
        await this.leaseAll(now);
        return switchedOff(now.account);
      }
      await this.authenticators.expire(userId, [id], this.leaseEnd());
      return { epoch: epoch + 1, activeIds: left };
    });
    const anyLeft = after.account.activeIds.length > 0;
    if (anyLeft) await this.authenticators.remove(userId, [id]);
    else await this.discardAll(before);
    return anyLeft;
  }

  private async leaseAll({ account, authenticators }: AccountSnapshot): Promise<void> {
    const ids = authenticators.map((each) => each.id);
    if (ids.length > 0) await this.authenticators.expire(account.userId, ids, this.leaseEnd());
    await this.issuing.lease(account.userId, account.backupSetId);
  }

  private async discardAll({ account, authenticators }: AccountSnapshot): Promise<void> {
    const ids = authenticators.map((each) => each.id);
    if (ids.length > 0) await this.authenticators.remove(account.userId, ids);
    await this.issuing.discard(account.userId, account.backupSetId);
  }

  private leaseEnd(): number {
    return this.clock.nowMs() + LEASE_MS;
  }
}
