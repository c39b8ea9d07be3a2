import { Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaLogin } from '../host/mfa-host.js';

/** Lets the host open the session of a login, and ends the session where the factors changed meanwhile. */
@Injectable()
export class LoginCompletion {
  constructor(
    private readonly host: MfaHostAccess,
    private readonly accounts: MfaAccountStore,
    private readonly events: MfaEvents,
  ) {}

  /**
   * Returns what `MfaHost.completeLogin` returned. A change of factors that commits after the read below calls
   * `revokeSessions` later than the session was opened; one that commits before is found by the read (S71).
   * @param epoch of the account, under which the proof was spent
   * @throws MfaError `MFA_TOKEN_INVALID` when the user is missing or blocked, or the factors changed; `MFA_BUSY`
   */
  async complete(login: MfaLogin, epoch: number, context: ExecutionContext): Promise<unknown> {
    const { userId } = login;
    let response: unknown;
    try {
      response = await this.host.completeLogin(login, context);
    } catch (error) {
      // The session may be open by now. What the host threw is the response.
      await this.endIfSuperseded(userId, epoch).catch(() => undefined);
      throw error;
    }
    const superseded = await this.endIfSuperseded(userId, epoch);
    if (superseded || response === null || response === undefined) throw new MfaError('MFA_TOKEN_INVALID');
    return response;
  }

  /** Whether the epoch is another by now, or the account is gone: then every session of the user ends. */
  private async endIfSuperseded(userId: string, epoch: number): Promise<boolean> {
    try {
      if ((await this.accounts.epochOf(userId)) === epoch) return false;
      const now = await this.accounts.load(userId);
      await this.endSessions(userId, now !== null && now.account.activeIds.length > 0);
      return true;
    } catch (error) {
      // Where nobody can tell whether the session may stay, it does not (S45).
      await this.endSessions(userId, false);
      throw error;
    }
  }

  private async endSessions(userId: string, enabled: boolean): Promise<void> {
    await this.events.changed({ type: 'mfa.login.superseded', userId, actor: { type: 'system' } }, { enabled });
  }
}
