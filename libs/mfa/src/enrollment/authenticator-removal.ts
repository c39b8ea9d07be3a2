import { Inject, Injectable } from '@nestjs/common';
import {
  type ActiveFactor,
  activeFactorOf,
  isEnabled,
  type AccountSnapshot,
  type MfaAccount,
} from '../domain/accounts/account.js';
import { MfaAccountStore, type AccountChange } from '../domain/accounts/account.store.js';
import { changeAccount, type DecidedChange } from '../domain/accounts/change-account.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import type { PreparedEvent } from '../events/mfa-events.js';
import { tidyUp } from '../events/tidy-up.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { requireAsProved } from './change-protection.js';

/** A removal that was committed. */
export interface Removal {
  /** Whether any authenticator is left. */
  anyLeft: boolean;
  /** The account before the removal. */
  before: AccountSnapshot;
  /** The event, which the change has stored. */
  event: PreparedEvent;
  /** Removes the rows, once the change was delivered; never throws. */
  tidyUp: () => Promise<void>;
}

/** What switches an account off: nothing is required, nothing verifies, every mfa_token and recovery code is dead. */
// S43, S59, S104
const switchedOff = ({ securityStamp }: MfaAccount) => ({
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
    private readonly devices: MfaDeviceStore,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Removes every factor of the user.
   * @param proved the account for which the user gave a proof; left out by an administrator
   * @param event the event of the removal
   * @param change a further change of the account, in the same commit
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof, and without a proof `MFA_BUSY` when the
   * account was removed or moved: a lost race
   */
  async all(
    userId: string,
    event: PreparedEvent,
    { proved, change = {} }: { proved?: AccountSnapshot; change?: Omit<AccountChange, 'lastChange'> } = {},
  ): Promise<Removal> {
    const decide = async (now: AccountSnapshot) => {
      if (proved) requireAsProved(now, proved, this.factors);
      await this.startGrace(now);
      return { ...switchedOff(now.account), ...change, lastChange: event.lastChange };
    };
    const lost = proved ? 'MFA_CODE_REJECTED' : 'MFA_BUSY';
    const { before } = await changeAccount(this.accounts, userId, decide, lost);
    return { anyLeft: false, before, event, tidyUp: () => this.forgetAll(before) };
  }

  /**
   * Removes one authenticator. Removing the last one removes everything.
   * @param proved the account for which the user gave a proof. A proof by an authenticator that was removed since then
   * does not count
   * @param prepare makes the event
   * @throws MfaError `MFA_CODE_REJECTED` when the account changed since the proof: a lost race
   */
  async one(id: string, proved: AccountSnapshot, prepare: (anyLeft: boolean) => PreparedEvent): Promise<Removal> {
    const { userId } = proved.account;
    let event: PreparedEvent;
    const decide = async (now: AccountSnapshot): Promise<DecidedChange> => {
      const { account } = now;
      requireAsProved(now, proved, this.factors);
      const removed = activeFactorOf(account, id);
      if (!removed) throw new MfaError('MFA_CODE_REJECTED');
      const left = account.activeFactors.filter((factor) => factor !== removed);
      event = prepare(left.length > 0);
      const { lastChange } = event;
      if (left.length === 0) {
        await this.startGrace(now);
        return { ...switchedOff(account), lastChange };
      }
      await this.factorOf(removed)?.startGrace(now, [id]);
      return { securityStamp: account.securityStamp + 1, activeFactors: left, pendingId: null, lastChange };
    };
    const { before, after } = await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
    const anyLeft = isEnabled(after);
    // `decide` ran, or `changeAccount` threw.
    return {
      anyLeft,
      before,
      event: event!,
      tidyUp: () => (anyLeft ? this.forgetOne(before, id) : this.forgetAll(before)),
    };
  }

  private async startGrace(snapshot: AccountSnapshot): Promise<void> {
    for (const factor of this.factors) await factor.startGrace(snapshot);
  }

  private forgetAll(snapshot: AccountSnapshot): Promise<void> {
    // No device is trusted under the new security stamp.
    const devices = this.options.trustedDevices ? [() => this.devices.removeAll(snapshot.account.userId)] : [];
    return tidyUp(...this.factors.map((factor) => () => factor.forget(snapshot)), ...devices);
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
