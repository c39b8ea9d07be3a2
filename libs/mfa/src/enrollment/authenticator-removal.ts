import { Inject, Injectable } from '@nestjs/common';
import {
  type ActiveFactor,
  activeFactorOf,
  isEnabled,
  type AccountSnapshot,
  type MfaAccount,
} from '../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import { tidyUp } from '../events/tidy-up.js';
import { requireAsProved } from './change-protection.js';

/** A removal that was committed. */
export interface Removal {
  /** Whether any authenticator is left. */
  anyLeft: boolean;
  /** The account before the removal. */
  before: AccountSnapshot;
  /** Removes the rows, once the change was delivered; never throws. */
  tidyUp: () => Promise<void>;
}

/** What switches an account off: nothing is required, nothing verifies, every mfa_token and recovery code is dead. */
// S43, S59, S104
const switchedOff = ({ securityStamp }: MfaAccount): AccountChange => ({
  securityStamp: securityStamp + 1,
  activeFactors: [],
  pendingId: null,
  backupSetId: null,
  recovery: null,
});

/**
 * Removes credentials. One UPDATE of the account row commits the removal. Just before, the rows get an expiry, so that the
 * cleanup removes them if this process ends before it deletes them.
 */
@Injectable()
export class AuthenticatorRemoval {
  constructor(
    private readonly accounts: MfaAccountStore,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
  ) {}

  /**
   * Removes every factor of the user.
   * @param proved the account for which the user gave a proof; left out by an administrator
   * @param change a further change of the account, in the same commit
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof: a lost race
   */
  async all(
    userId: string,
    { proved, change = {} }: { proved?: AccountSnapshot; change?: AccountChange } = {},
  ): Promise<Removal> {
    const decide = async (now: AccountSnapshot) => {
      if (proved) requireAsProved(now, proved, this.factors);
      await this.startGrace(now);
      return { ...switchedOff(now.account), ...change };
    };
    const { before } = await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
    return { anyLeft: false, before, tidyUp: () => this.forgetAll(before) };
  }

  /**
   * Removes one authenticator. Removing the last one removes everything.
   * @param proved the account for which the user gave a proof. A proof by an authenticator that was removed since then
   * does not count
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof: a lost race
   */
  async one(id: string, proved: AccountSnapshot): Promise<Removal> {
    const { userId } = proved.account;
    const decide = async (now: AccountSnapshot) => {
      const { account } = now;
      requireAsProved(now, proved, this.factors);
      const removed = activeFactorOf(account, id);
      if (!removed) throw new MfaError('MFA_CODE_REJECTED');
      const left = account.activeFactors.filter((factor) => factor !== removed);
      if (left.length === 0) {
        await this.startGrace(now);
        return switchedOff(account);
      }
      await this.factorOf(removed)?.startGrace(now, [id]);
      return { securityStamp: account.securityStamp + 1, activeFactors: left, pendingId: null };
    };
    const { before, after } = await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
    const anyLeft = isEnabled(after);
    return { anyLeft, before, tidyUp: () => (anyLeft ? this.forgetOne(before, id) : this.forgetAll(before)) };
  }

  private async startGrace(snapshot: AccountSnapshot): Promise<void> {
    for (const factor of this.factors) await factor.startGrace(snapshot);
  }

  private forgetAll(snapshot: AccountSnapshot): Promise<void> {
    return tidyUp(...this.factors.map((factor) => () => factor.forget(snapshot)));
  }

  /** The change also ended a pending setup, so its row goes too. */
  private forgetOne(snapshot: AccountSnapshot, id: string): Promise<void> {
    const { account } = snapshot;
    const removed = activeFactorOf(account, id);
    const pending = account.pendingId === null ? undefined : { type: 'totp', id: account.pendingId };
    const gone = [removed, pending].filter((factor) => factor !== undefined);
    return tidyUp(...gone.map((factor) => async () => this.factorOf(factor)?.forget(snapshot, [factor.id])));
  }

  private factorOf({ type }: ActiveFactor): Factor | undefined {
    return this.factors.find(({ method }) => method === type);
  }
}
