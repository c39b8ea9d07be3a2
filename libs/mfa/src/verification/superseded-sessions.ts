import { isEnabled } from '../domain/accounts/account.js';
import { Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaEvents } from '../events/mfa-events.js';

/** Ends the sessions of a user whose factors changed while the host opened or raised one of them. */
@Injectable()
export class SupersededSessions {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly events: MfaEvents,
  ) {}

  /**
   * Returns whether the security stamp is another by now, or the account is gone: then every session of the user ends. Call it
   * once the host has the session. A change that commits after the read below calls `revokeSessions` later than that;
   * one that commits before is found by the read.
   * @param securityStamp of the account, under which the proof was spent
   * @throws MfaError `MFA_BUSY`
   */
  // S71
  async endIfSuperseded(userId: string, securityStamp: number): Promise<boolean> {
    try {
      if ((await this.accounts.securityStampOf(userId)) === securityStamp) return false;
      await this.end(userId, await this.isEnabled(userId));
      return true;
    } catch (error) {
      // Where nobody can tell whether the session may stay, it does not (S45).
      await this.end(userId, false);
      throw error;
    }
  }

  /** The same where a database that is away must end no session: one that enrolled a moment ago. */
  async endIfFoundSuperseded(userId: string, securityStamp: number): Promise<boolean> {
    const current = await this.accounts.securityStampOf(userId).catch(() => undefined);
    if (current === undefined || current === securityStamp) return false;
    await this.end(userId, await this.isEnabled(userId).catch(() => false));
    return true;
  }

  private async isEnabled(userId: string): Promise<boolean> {
    const now = await this.accounts.load(userId);
    return isEnabled(now);
  }

  private async end(userId: string, enabled: boolean): Promise<void> {
    await this.events.changed({ type: 'mfa.login.superseded', userId, actor: { type: 'system' } }, { enabled });
  }
}
