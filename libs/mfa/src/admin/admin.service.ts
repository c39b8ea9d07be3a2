import { isEnabled, requireUserId } from '../domain/accounts/account.js';
import { Inject, Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaPasskeyStore } from '../domain/passkeys/passkey.store.js';
import { MfaPolicySeenStore } from '../domain/policy/policy-seen.store.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { AuthenticatorRemoval } from '../enrollment/authenticator-removal.js';
import { tidyUp } from '../events/tidy-up.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import { type MfaUserExport, userExport } from './user-export.js';

/**
 * Actions of administrators and of the host's account management: unlock, invalidate, reset, export, purge. No method
 * requires a proof, so authorise the caller first. A user without MFA data is not an error.
 * @example
 * // A support agent has checked the identity of a user who lost the phone:
 * await this.mfaAdmin.reset(user.id);
 */
@Injectable()
@ThrowsMfaException()
export class MfaAdminService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly passkeys: MfaPasskeyStore,
    private readonly usage: MfaUsageStore,
    private readonly policiesSeen: MfaPolicySeenStore,
    private readonly removal: AuthenticatorRemoval,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
  ) {}

  /**
   * Ends every lock of the user and sets all failure counters to 0.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async unlock(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.clearBudgets(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /**
   * Makes all mfa_tokens and pending setups of the user invalid. Existing authenticators stay.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  // S43
  async invalidate(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.invalidate(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
  }

  /**
   * Call it after the user's password was changed or reset. It makes all mfa_tokens and pending setups of the user
   * invalid, and ends locks. Failure counters and daily caps stay: an attacker who can reset the password must not get
   * more guesses.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  // S43, S51
  async passwordChanged(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.invalidate(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
    await this.accounts.endLocks(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /**
   * Removes every factor of the user, for example after a lost phone. The next login requires no second factor.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async reset(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    if (!(await this.accounts.load(id))) return;
    const removal = await this.removal.all(id).catch(async (error: unknown) => {
      // The account was purged in the meantime. There is nothing to reset.
      if ((await this.accounts.load(id)) === null) return null;
      throw error;
    });
    if (!removal) return;
    await this.events.changed({ type: 'mfa.reset', userId: id, actor: ADMIN }, { enabled: false });
    await removal.tidyUp();
    await tidyUp(() => this.accounts.clearBudgets(id));
  }

  /**
   * Returns what is stored about the user, for a data-protection request. It contains no secrets, hashes and tokens.
   * Five statements.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async exportUser(userId: string | number): Promise<MfaUserExport> {
    const id = requireUserId(userId, 'MfaAdminService');
    const snapshot = await this.accounts.load(id);
    const setId = snapshot?.account.backupSetId;
    const codes = setId ? await this.codes.list(id, setId) : [];
    const passkeys = await this.passkeys.list(id);
    const spent = await this.usage.list(id);
    return userExport({ userId: id, snapshot, codes, passkeys, spent, sightings: await this.policiesSeen.list(id) });
  }

  /**
   * Removes all rows of the user from the MFA tables. If it throws, call it again: it continues where it stopped, and
   * calls `revokeSessions` again if the first call may not have done so.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async purgeUser(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    const account = (await this.accounts.load(id))?.account;
    // The account first: without it, the other rows have no effect.
    await this.accounts.remove(id);
    const wasOn = account !== undefined && isEnabled({ account });
    if (wasOn) await this.changedByPurge(id);
    const left = await this.removeRows(id);
    // More rows than the account named: an earlier purge stopped before it delivered the change.
    const named = account?.pendingId ? 1 : 0;
    if (!wasOn && left > named) await this.changedByPurge(id);
    this.events.emit({ type: 'mfa.user.purged', userId: id, actor: ADMIN });
  }

  /** Removes the rows of every table, also after an error in one. Returns the number of authenticators and passkeys. */
  private async removeRows(id: string): Promise<number> {
    const removals = this.factors.map((factor) => factor.purge(id));
    const others = [this.usage.removeAll(id), this.policiesSeen.removeAll(id)];
    const results = await Promise.allSettled([...removals, ...others.map((removal) => removal.then(() => 0))]);
    const failed = results.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
    return results.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : 0), 0);
  }

  private async changedByPurge(id: string): Promise<void> {
    await this.events.changed({ type: 'mfa.disabled', userId: id, actor: ADMIN }, { enabled: false });
  }
}

const ADMIN = { type: 'admin' } as const;
