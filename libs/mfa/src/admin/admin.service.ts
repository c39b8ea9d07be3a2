import { Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { AuthenticatorRemoval } from '../enrollment/authenticator-removal.js';
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
    const id = stored(userId);
    await this.accounts.clearBudgets(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /** Kills the user's outstanding mfa_tokens (S43). */
  async revokeTokens(userId: string | number): Promise<void> {
    const id = stored(userId);
    await this.accounts.revokeTokens(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
  }

  /**
   * Call it when the user's password was changed or reset: kills outstanding mfa_tokens and a setup that awaits its
   * first code (S43), and ends locks. Failures and daily caps stay: whoever can reset passwords gets no more guesses (S51).
   */
  async passwordChanged(userId: string | number): Promise<void> {
    const id = stored(userId);
    await this.accounts.revokeTokens(id);
    await this.accounts.endLocks(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /** Takes every factor of the user away, as after a lost phone: the next login has no second step. */
  async reset(userId: string | number): Promise<void> {
    const id = stored(userId);
    if (!(await this.accounts.load(id))) return;
    await this.removal.all(id);
    await this.accounts.clearBudgets(id);
    await this.events.changed({ type: 'mfa.reset', userId: id, actor: ADMIN }, { enabled: false });
  }

  /** What is stored about the user, without secrets, hashes and tokens: for a data-protection request. Three statements. */
  async exportUser(userId: string | number): Promise<MfaUserExport> {
    const id = stored(userId);
    const snapshot = await this.accounts.load(id);
    const setId = snapshot?.account.backupSetId;
    const codes = setId ? await this.codes.list(id, setId) : [];
    return userExport(id, snapshot, codes, await this.usage.list(id));
  }

  /** Removes every trace of the user from the MFA tables. Repeat it if it was interrupted. */
  async purgeUser(userId: string | number): Promise<void> {
    const id = stored(userId);
    const account = (await this.accounts.load(id))?.account;
    // The account first: without it nothing else counts.
    await this.accounts.remove(id);
    await this.authenticators.removeAll(id);
    await this.codes.removeAll(id);
    await this.usage.removeAll(id);
    this.events.emit({ type: 'mfa.user.purged', userId: id, actor: ADMIN });
    if (account && account.activeIds.length > 0) {
      await this.events.changed({ type: 'mfa.disabled', userId: id, actor: ADMIN }, { enabled: false });
    }
  }
}

const ADMIN = { type: 'admin' } as const;

const stored = (userId: string | number): string => requireUserId(userId, 'MfaAdminService');
