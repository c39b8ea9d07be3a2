import { Injectable } from '@nestjs/common';
import { type AccountSnapshot, activeIdsOf, type ActiveFactor } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { retryLostRaces } from '../domain/accounts/lost-races.js';
import {
  finishedTombstone,
  isMoved,
  isMovedTo,
  isMoving,
  isPurging,
  movedId,
  tombstone,
} from '../domain/accounts/moved-account.js';
import { type MoveTarget, MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { MfaError } from '../domain/mfa-error.js';
import type { PolicySighting } from '../domain/policy/policy-seen.store.js';
import type { SpentEntry } from '../domain/usage/usage.js';
import { type Move, MovedRows } from './moved-rows.js';

/** What is stored under both ids. */
interface Found {
  target: MoveTarget | null;
  /** The account of the old id. `null` = it has none of its own. */
  source: AccountSnapshot | null;
  /** Without such an account, the sightings to copy. */
  sightings: readonly PolicySighting[];
}

/**
 * Moves the rows of a user to another id. First it inserts the new account, which no purge and no other move overlooks from
 * then on. Then it copies the rows, and turns the old account into a tombstone, which requires MFA and verifies nothing. Last
 * come what was spent at the old id in the meantime, and the passkeys. Until the old account is a tombstone, the old id stays
 * as it was, and a repetition copies again. After that a repetition does the rest. The new id verifies nothing before
 * everything is there.
 */
// S123
@Injectable()
export class UserMove {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly moves: MfaUserMoveStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly devices: MfaDeviceStore,
    private readonly rows: MovedRows,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Reads whether there is something to move.
   * @returns `false` if the old id has neither an account nor a sighting to copy, or the move is finished already
   * @throws MfaError `MFA_BAD_REQUEST` as {@link run} does
   */
  async isNeeded(move: Move): Promise<boolean> {
    const { source, sightings } = await this.read(move);
    return source === null ? sightings.length > 0 : !isMoved(source) || isMoving(source);
  }

  /**
   * @returns whether this call finished the move. Of parallel calls, one did
   * @throws MfaError `MFA_BAD_REQUEST` if the new id has an account of its own, or the old one was moved to another id, or one of
   * them was purged meanwhile; `MFA_MISCONFIGURED` if a secret cannot be opened; `MFA_BUSY` if the old account keeps changing
   */
  async run(move: Move): Promise<boolean> {
    return retryLostRaces(async () => {
      const { target, source, sightings } = await this.read(move);
      // A user without an account may have been seen under a policy.
      if (source === null) return this.moves.copySightings(move.to, sightings);
      if (isMoved(source) && !isMoving(source)) return false;
      if (!isMoved(source) && !(await this.copyAndClose(source, move, target))) return null;
      return (await this.finish(move)) || null;
    });
  }

  /** Reads both ids, and refuses what cannot be moved. */
  private async read(move: Move): Promise<Found> {
    const { from, to } = move;
    // The target first: it is the user's own once the old account is a tombstone, and then a copy must not be committed.
    const target = await this.moves.find(to);
    const source = await this.accounts.load(from);
    if (source === null || isPurging(source)) {
      if (target?.movedFrom === from)
        throw refused('the old user id was purged before the move was finished. Purge the new one too');
      const sightings = await this.rows.sightingsToCopy(move);
      if (sightings.length > 0) requireFree(target, move);
      return { target, source: null, sightings };
    }
    // It is copied from another id itself, and not complete yet.
    if ((await this.moves.find(from))?.movedFrom)
      throw refused(
        'a move to the old user id is not finished. Repeat that move first, or call `purgeUser` for the old user id',
      );
    if (!isMoved(source)) requireFree(target, move);
    else if (!isMovedTo(source, to)) throw refused(movedElsewhere(target?.movedFrom === from));
    // It is read again: a parallel call may have done everything between the two reads.
    else if (target === null && !isMoving(source)) await this.requireTarget(to);
    return { target, source, sightings: [] };
  }

  /** `false` = another change was first. */
  private async copyAndClose(source: AccountSnapshot, move: Move, target: MoveTarget | null): Promise<boolean> {
    const insertCopies = await this.rows.prepareCopies(source, move);
    // The account before its rows: a purge of the new id that removes one of the rows sees the account, and makes `close` fail.
    if (!(await this.makeLive(source, move, target))) return false;
    await insertCopies();
    return this.close(source, move);
  }

  /** From here on the new id requires a second step where the old one does. `false` = another move was first. */
  private async makeLive(
    { account }: AccountSnapshot,
    { from, to }: Move,
    target: MoveTarget | null,
  ): Promise<boolean> {
    const { backupSetId, mustEnrollSinceMs, userHandle, budgets } = account;
    const live = {
      securityStamp: Math.max(account.securityStamp, target?.securityStamp ?? 0, this.clock.nowMs()) + 1,
      activeFactors: account.activeFactors.map((factor) => movedFactor(factor, to)),
      backupSetId: backupSetId === null ? null : movedId(backupSetId, to),
      mustEnrollSinceMs,
    };
    if (target) {
      const change = { ...live, pendingId: null, recovery: null };
      return (await this.accounts.commit(to, target.rowVersion, change)) === true;
    }
    const rowVersion = this.clock.nowMs();
    return (await this.moves.open({ userId: to, rowVersion, ...live, userHandle, budgets, movedFrom: from })) === true;
  }

  /** Turns the old account into a tombstone. `false` = it changed since it was copied. */
  private async close({ account: { rowVersion } }: AccountSnapshot, { from, to }: Move): Promise<boolean> {
    const decide = (now: AccountSnapshot) =>
      now.account.rowVersion === rowVersion ? { ...tombstone(now.account, to), lastChange: null } : null;
    const { after } = await changeAccount(this.accounts, from, decide, 'MFA_BUSY', { ofMove: true });
    return isMovedTo(after, to);
  }

  /**
   * Each step can be repeated.
   * @returns `false` if another call was first
   * @throws MfaError `MFA_BAD_REQUEST` if the new id was purged
   */
  private async finish(move: Move): Promise<boolean> {
    const { from, to } = move;
    const [old, target, moved] = [
      await this.accounts.load(from),
      await this.moves.find(to),
      await this.accounts.load(to),
    ];
    if (!old || !isMoving(old) || !isMovedTo(old, to)) return false;
    const movedFrom = target?.movedFrom ?? null;
    // `null` = an earlier call came as far as `end`.
    if (target && moved && movedFrom === from) await this.complete(old, moved, move);
    else if (movedFrom !== null) throw refused('the new user id has an MFA account');
    const isFinished = await this.finishTombstone(move);
    await this.requireTarget(to);
    return isFinished;
  }

  /** The host is about to sign the user in under the new id. Without an account it would require no second step. */
  private async requireTarget(to: string): Promise<void> {
    if ((await this.moves.find(to)) === null) throw refused('the new user id was purged. Purge the old one too');
  }

  private async complete(old: AccountSnapshot, moved: AccountSnapshot, move: Move): Promise<void> {
    const { from, to } = move;
    await this.carryOver(old, moved, await this.rows.copyUsage(move));
    await this.rows.copySightings(move);
    await this.moves.movePasskeys(from, to);
    await this.devices.removeAll(from);
    await this.moves.end(to, from);
  }

  /** `false` = it is finished already. */
  private async finishTombstone({ from, to }: Move): Promise<boolean> {
    const { before, after } = await changeAccount(
      this.accounts,
      from,
      (now) => (isMoving(now) && isMovedTo(now, to) ? { ...finishedTombstone(to), lastChange: null } : null),
      'MFA_BUSY',
      { ofMove: true },
    );
    return after !== before;
  }

  /** Attempts that were counted and codes that were used at the old id after the copy, and the expiry of the copied rows. */
  private async carryOver(
    old: AccountSnapshot,
    { account }: AccountSnapshot,
    spent: readonly SpentEntry[],
  ): Promise<void> {
    const { userId, backupSetId, activeFactors } = account;
    await this.moves.raiseBudgets(userId, old.account.userId, old.account.budgets);
    // A repetition must not raise them again.
    await this.moves.clearTombstone(old.account);
    if (old.account.userHandle !== null) await this.accounts.claimUserHandle(userId, old.account.userHandle);
    await this.authenticators.collectAfter(userId, activeIdsOf('totp', activeFactors), null);
    if (backupSetId === null) return;
    await this.codes.collectAfter(userId, backupSetId, null);
    const unmarked = (await this.codes.list(userId, backupSetId)).filter(({ usedAtMs }) => usedAtMs === null);
    for (const { item, spentAtMs } of spent.filter((entry) => unmarked.some(({ id }) => id === entry.item)))
      await this.codes.markUsed(userId, item, spentAtMs);
    await this.codes.recount(userId);
  }
}

/** Passkeys keep their ids, because their rows are moved. So do the credentials of a factor of the host. */
const movedFactor = ({ type, id }: ActiveFactor, to: string): ActiveFactor => ({
  type,
  id: type === 'totp' ? movedId(id, to) : id,
});

/** The new id must have no account, or an unfinished copy of the old one. */
function requireFree(target: MoveTarget | null, { from, to }: Move): void {
  if (target === null || target.movedFrom === from) return;
  if (target.movedFrom === to) throw refused('a purge of the new user id is not finished. Repeat `purgeUser` first');
  if (target.movedFrom !== null)
    throw refused(
      'another move to the new user id is not finished. Repeat that move first, or call `purgeUser` for the new user id',
    );
  throw refused('the new user id has an MFA account');
}

function movedElsewhere(hasCopy: boolean): string {
  const problem = 'the user was moved to another user id';
  return hasCopy
    ? `${problem}. Call \`purgeUser\` for the new user id of this call, which has an unfinished copy`
    : problem;
}

function refused(problem: string): MfaError {
  return new MfaError('MFA_BAD_REQUEST', { message: [`MfaAdminService.moveUser: ${problem}`] });
}
