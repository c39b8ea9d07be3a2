import { type ExecutionContext, Injectable, Logger } from '@nestjs/common';
import { isEnabled } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { errorName, MfaError } from '../domain/mfa-error.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaLogin } from '../host/mfa-host.js';

/** Ends the sessions of a user whose factors changed while the host opened or raised one of them. */
@Injectable()
export class SupersededSessions {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly events: MfaEvents,
  ) {}

  /**
   * If the security stamp changed or the account is gone, ends every session of the user and returns `true`. Call it after
   * the host opened the session. A change that commits after the read calls `revokeSessions` itself.
   * @param securityStamp of the account, under which the proof was spent
   * @param context for the event. The hook does not receive it, because the session of this request must end, too
   * @throws MfaError `MFA_BUSY`
   */
  // S71
  async endIfSuperseded(userId: string, securityStamp: number, context: ExecutionContext): Promise<boolean> {
    try {
      if ((await this.accounts.securityStampOf(userId)) === securityStamp) return false;
      await this.end(userId, await this.isEnabled(userId), context);
      return true;
    } catch (error) {
      // When the account cannot be read, the session ends (S45).
      await this.end(userId, false, context);
      throw error;
    }
  }

  /** Like {@link endIfSuperseded}, but a failed read ends no session. For a session that just enrolled. */
  async endIfFoundSuperseded(userId: string, securityStamp: number, context: ExecutionContext): Promise<boolean> {
    const current = await this.accounts.securityStampOf(userId).catch(() => undefined);
    if (current === undefined || current === securityStamp) return false;
    await this.end(userId, await this.isEnabled(userId).catch(() => false), context);
    return true;
  }

  private async isEnabled(userId: string): Promise<boolean> {
    const now = await this.accounts.load(userId);
    return isEnabled(now);
  }

  private async end(userId: string, enabled: boolean, context: ExecutionContext): Promise<void> {
    const draft = { type: 'mfa.login.superseded', userId, actor: { type: 'system' } } as const;
    await this.events.changed(draft, { enabled }, context);
  }
}

/** Lets the host open the session of a login, and ends the session where the factors changed meanwhile. */
@Injectable()
export class LoginCompletion {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly host: MfaHostAccess,
    private readonly sessions: SupersededSessions,
  ) {}

  /**
   * Returns what `MfaHost.completeLogin` returned.
   * @param securityStamp of the account, under which the proof was spent
   * @throws MfaError `MFA_TOKEN_INVALID` when the user is missing or blocked, or the factors changed; `MFA_BUSY`
   */
  async complete(login: MfaLogin, securityStamp: number, context: ExecutionContext): Promise<unknown> {
    const { userId } = login;
    let response: unknown;
    try {
      response = await this.host.completeLogin(login, context);
    } catch (error) {
      // The session may be open by now. What the host threw is the response.
      await this.sessions.endIfSuperseded(userId, securityStamp, context).catch(() => undefined);
      throw error;
    }
    const superseded = await this.sessions.endIfSuperseded(userId, securityStamp, context);
    if (superseded || response === null || response === undefined) throw new MfaError('MFA_TOKEN_INVALID');
    return response;
  }

  /**
   * Like {@link complete}, after an enrollment within the login. Never throws, so that the backup codes are shown. If the
   * session is not opened, the user signs in again.
   * @returns what `MfaHost.completeLogin` returned; `undefined` = no session
   */
  // S39, S100
  async completeEnrolled(login: MfaLogin, securityStamp: number, context: ExecutionContext): Promise<unknown> {
    try {
      return await this.complete(login, securityStamp, context);
    } catch (error) {
      this.logger.error(`No session was opened after an enrollment (${errorName(error)}). The user signs in again`);
      return undefined;
    }
  }
}
