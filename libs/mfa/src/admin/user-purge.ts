import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { type AccountSnapshot, isEnabled } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { retryLostRaces } from '../domain/accounts/lost-races.js';
import { isMoved, isMovedTo, isMoving, purgingAccount } from '../domain/accounts/moved-account.js';
import { type MoveTarget, MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { busyError, MfaError } from '../domain/mfa-error.js';
import { MfaPolicySeenStore } from '../domain/policy/policy-seen.store.js';
import { MfaRandom } from '../domain/random.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { MfaEvents, type PreparedEvent } from '../events/mfa-events.js';
import type { AttributedAction } from './admin-action.js';

/** The row version of an account that reserves an id is random, so that no account of another time has the same one. */
const VERSION_BYTES = 6;

/** Who asked for the purge, and in which request. */
interface PurgeCaller {
  by: AttributedAction;
  context: ExecutionContext | undefined;
}

/** What one purge saw and did over all of its tries. */
interface Progress {
  sawTombstone: boolean;
  /** Whether the user had no account of their own at some time: none, an unfinished copy, or one that a purge left. */
  isGone: boolean;
  isDelivered: boolean;
  /** The event of the change, which was written before the account was removed. */
  disabled: PreparedEvent | null;
  /** Rows of factors that were confirmed. */
  removed: number;
}

/** Removes all rows of a user. */
@Injectable()
export class UserPurge {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly usage: MfaUsageStore,
    private readonly policiesSeen: MfaPolicySeenStore,
    private readonly devices: MfaDeviceStore,
    private readonly moves: MfaUserMoveStore,
    private readonly events: MfaEvents,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
  ) {}

  /** @throws MfaError `MFA_BAD_REQUEST` while a move of the user is not finished. {@link run} checks it again */
  async requireAllowed(id: string): Promise<void> {
    const target = await this.moves.find(id);
    if (target === null) return;
    if (isMoving({ account: target })) throw unfinished('a move of the user is not finished');
    if (target.movedFrom !== null && target.movedFrom !== id) await this.requireAbandoned(target.movedFrom, id);
  }

  /**
   * Can be repeated. Where the user had a factor, it delivers the change. It removes no account that appeared after it
   * began.
   * @throws MfaError `MFA_BAD_REQUEST` while a move of the user is not finished; `MFA_BUSY` if the account keeps changing, or
   * another one appeared
   */
  // S123
  async run(id: string, caller: PurgeCaller): Promise<void> {
    const progress: Progress = {
      sawTombstone: false,
      isGone: false,
      isDelivered: false,
      disabled: null,
      removed: 0,
    };
    await retryLostRaces(async () => (await this.attempt(id, progress, caller)) || null);
  }

  /** `false` = another change was first. */
  private async attempt(id: string, progress: Progress, caller: PurgeCaller): Promise<boolean> {
    const target = await this.moves.find(id);
    const snapshot = await this.accounts.load(id);
    if (isMoving(snapshot)) throw unfinished('a move of the user is not finished');
    if (snapshot && isMoved(snapshot)) {
      progress.sawTombstone = true;
      return this.removeTombstone(snapshot);
    }
    // Another purge removed the tombstone and its rows. What is there now was moved back.
    if (progress.sawTombstone || (target && isMoved({ account: target }))) return true;
    if (target?.movedFrom === null && progress.isGone) throw busyError();
    progress.isGone ||= target?.movedFrom !== null;
    // S121: its audit row cannot be lost.
    if (isEnabled(snapshot)) progress.disabled ??= await this.events.begin(disabled(id, caller.by), caller.context);
    if (snapshot && !(await this.removeAccount(snapshot, target))) return false;
    progress.isGone = true;
    if (isEnabled(snapshot)) await this.deliver(id, progress, caller);
    return this.removeReserved(id, progress, caller);
  }

  /** The account first: without it, the other rows have no effect. `false` = it changed. */
  private async removeAccount({ account }: AccountSnapshot, target: MoveTarget | null): Promise<boolean> {
    const { userId, rowVersion } = account;
    if (target?.rowVersion !== rowVersion) return false;
    const { movedFrom } = target;
    if (movedFrom !== null && movedFrom !== userId && !(await this.overtakes(movedFrom, userId))) return false;
    await this.events.keepLastChange(userId);
    return this.accounts.remove(userId, rowVersion);
  }

  /**
   * Makes a move to this id that has not closed the old account yet copy again. Otherwise it could close the old account while
   * this purge removes the copy. `false` = the old account changed meanwhile.
   */
  // S123
  private async overtakes(movedFrom: string, id: string): Promise<boolean> {
    const old = await this.requireAbandoned(movedFrom, id);
    return old === null || (await this.accounts.commit(old.account.userId, old.account.rowVersion, {})) === true;
  }

  /** Returns the old account of the copy. Its move to another id takes nothing from this one. */
  private async requireAbandoned(movedFrom: string, id: string): Promise<AccountSnapshot | null> {
    const old = await this.accounts.load(movedFrom);
    if (old && isMoving(old) && isMovedTo(old, id)) throw unfinished('a move to the user is not finished');
    return old;
  }

  /**
   * The user goes on under another id, so nothing was disabled. The account last: a repetition must find it, and no move goes
   * to this id before. The new row version makes every other purge of the tombstone look again.
   */
  private async removeTombstone({ account: { userId, rowVersion } }: AccountSnapshot): Promise<boolean> {
    if ((await this.accounts.commit(userId, rowVersion, {})) !== true) return false;
    await this.removeRows(userId);
    return this.accounts.remove(userId, rowVersion + 1);
  }

  /** Removes the rows while an account reserves the id, so that no move copies rows to it. `false` = another account was first. */
  private async removeReserved(id: string, progress: Progress, caller: PurgeCaller): Promise<boolean> {
    const rowVersion = this.random.bytes(VERSION_BYTES).readUIntBE(0, VERSION_BYTES);
    const account = purgingAccount(id, { rowVersion, securityStamp: this.clock.nowMs() });
    if (!(await this.moves.open(account))) return false;
    try {
      progress.removed += await this.removeRows(id);
      // Rows that no account named: an earlier purge stopped before it delivered the change.
      if (progress.removed > 0) await this.deliver(id, progress, caller);
    } catch (error) {
      await this.accounts.remove(id, rowVersion).catch(() => false);
      throw error;
    }
    return this.accounts.remove(id, rowVersion);
  }

  /** Removes the rows of every table, also after an error in one. Returns the number of confirmed ones of factors. */
  private async removeRows(id: string): Promise<number> {
    const removals = this.factors.map((factor) => factor.purge(id));
    const others = [this.usage.removeAll(id), this.policiesSeen.removeAll(id), this.devices.removeAll(id)];
    const results = await Promise.allSettled([...removals, ...others.map((removal) => removal.then(() => 0))]);
    const failed = results.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
    return results.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : 0), 0);
  }

  private async deliver(id: string, progress: Progress, { by, context }: PurgeCaller): Promise<void> {
    if (progress.isDelivered) return;
    progress.isDelivered = true;
    await this.events.changed(progress.disabled ?? disabled(id, by), { enabled: false }, context);
  }
}

const disabled = (userId: string, by: AttributedAction) => ({ type: 'mfa.disabled', userId, ...by }) as const;

const unfinished = (problem: string) =>
  new MfaError('MFA_BAD_REQUEST', {
    message: [`MfaAdminService.purgeUser: ${problem}. Repeat \`moveUser\` first`],
  });
