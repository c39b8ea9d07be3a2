import { isEnabled } from '../domain/accounts/account.js';
import { Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { AuthenticatorRemoval } from '../enrollment/authenticator-removal.js';
import { tidyUp } from '../events/tidy-up.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import { requireUserId } from '../host/user-id.js';
import { type MfaUserExport, userExport } from './user-export.js';

/**
 * What a support desk and the host's own account management do to a user. Nothing here asks for a proof:
 * authorise the caller before. A user who never touched MFA is no error.
 */
@Injectable()
@ThrowsMfaException()
export class MfaAdminService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly usage: MfaUsageStore,
    private readonly removal: AuthenticatorRemoval,
    private readonly events: MfaEvents,
  ) {}

  /** Ends every lock of the user and gives all attempts back. */
  async unlock(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.clearBudgets(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /** Kills the user's outstanding mfa_tokens. */
  // S43
  async invalidate(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.invalidate(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
  }

  /**
   * Call it when the user's password was changed or reset: kills outstanding mfa_tokens and a setup that awaits its
   * first code, and ends locks. Failures and daily caps stay: whoever can reset passwords gets no more guesses.
   */
  // S43, S51
  async passwordChanged(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.invalidate(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
    await this.accounts.endLocks(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /** Removes every factor of the user, as after a lost phone: the next login has no second step. */
  async reset(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    if (!(await this.accounts.load(id))) return;
    const removal = await this.removal.all(id).catch(async (error: unknown) => {
      // Purged meanwhile: there is nothing to reset.
      if ((await this.accounts.load(id)) === null) return null;
      throw error;
    });
    if (!removal) return;
    await this.events.changed({ type: 'mfa.reset', userId: id, actor: ADMIN }, { enabled: false });
    await removal.tidyUp();
    await tidyUp(() => this.accounts.clearBudgets(id));
  }

  /** What is stored about the user, without secrets, hashes and tokens: for a data-protection request. Three statements. */
  async exportUser(userId: string | number): Promise<MfaUserExport> {
    const id = requireUserId(userId, 'MfaAdminService');
    const snapshot = await this.accounts.load(id);
    const setId = snapshot?.account.backupSetId;
    const codes = setId ? await this.codes.list(id, setId) : [];
    return userExport(id, snapshot, codes, await this.usage.list(id));
  }

  /**
   * Removes every trace of the user from the MFA tables. Repeat it when it throws: it goes on where it stopped, and calls
   * `revokeSessions` again where the first call may not have done so.
   * @throws MfaException `MFA_BUSY`
   */
  async purgeUser(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    const account = (await this.accounts.load(id))?.account;
    // The account first: without it nothing else counts.
    await this.accounts.remove(id);
    const wasOn = account !== undefined && isEnabled({ account });
    if (wasOn) await this.changedByPurge(id);
    const left = await this.removeRows(id);
    // Rows that no account named: an earlier purge stopped before it could deliver the change.
    const named = account?.pendingId ? 1 : 0;
    if (!wasOn && left > named) await this.changedByPurge(id);
    this.events.emit({ type: 'mfa.user.purged', userId: id, actor: ADMIN });
  }

  /** Tries every table, whatever fails; returns how many authenticators there were. */
  private async removeRows(id: string): Promise<number> {
    const removals = [this.authenticators.removeAll(id), this.codes.removeAll(id), this.usage.removeAll(id)] as const;
    const [authenticators, ...others] = await Promise.allSettled(removals);
    const failed = [authenticators, ...others].find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
    return authenticators.status === 'fulfilled' ? authenticators.value : 0;
  }

  private async changedByPurge(id: string): Promise<void> {
    await this.events.changed({ type: 'mfa.disabled', userId: id, actor: ADMIN }, { enabled: false });
  }
}

const ADMIN = { type: 'admin' } as const;
