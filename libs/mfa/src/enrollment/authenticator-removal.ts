import { Injectable } from '@nestjs/common';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { BackupCodeIssuing, LEASE_MS } from './backup-code-issuing.js';

/** What switches an account off: nothing gates, nothing verifies, every mfa_token is dead (S43, S59). */
const switchedOff = (epoch: number): AccountChange => ({
  epoch: epoch + 1,
  activeIds: [],
  pendingId: null,
  backupSetId: null,
});

/**
 * Takes credentials away. The account's row decides in one write; the rows behind it get a lease first, so
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
   * @throws MfaError `MFA_NOT_ENABLED` when the account is no longer the one that was proved for
   */
  async all(seen: AccountSnapshot): Promise<void> {
    const { userId, epoch, backupSetId } = seen.account;
    await this.lease(
      userId,
      seen.authenticators.map(({ id }) => id),
    );
    await this.issuing.lease(userId, backupSetId);
    const { before } = await changeAccount(this.accounts, userId, ({ account }) => {
      if (account.epoch !== epoch) throw new MfaError('MFA_NOT_ENABLED');
      return switchedOff(epoch);
    });
    await this.authenticators.remove(
      userId,
      before.authenticators.map(({ id }) => id),
    );
    await this.issuing.discard(userId, before.account.backupSetId);
  }

  /**
   * Removes one of several; the last one is not removed but disabled ({@link all}).
   * @throws MfaError `MFA_AUTHENTICATOR_NOT_FOUND` when it is gone, or has meanwhile become the last one
   */
  async one(seen: AccountSnapshot, id: string): Promise<void> {
    const { userId } = seen.account;
    await this.lease(userId, [id]);
    await changeAccount(this.accounts, userId, ({ account }) => {
      if (account.activeIds.length < 2 || !account.activeIds.includes(id))
        throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
      return { epoch: account.epoch + 1, activeIds: account.activeIds.filter((each) => each !== id) };
    });
    await this.authenticators.remove(userId, [id]);
  }

  private async lease(userId: string, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.authenticators.expire(userId, ids, this.clock.nowMs() + LEASE_MS);
  }
}
