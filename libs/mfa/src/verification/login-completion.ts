import { Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaError } from '../domain/mfa-error.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaLogin } from '../host/mfa-host.js';
import { SupersededSessions } from './superseded-sessions.js';

/** Lets the host open the session of a login, and ends the session where the factors changed meanwhile. */
@Injectable()
export class LoginCompletion {
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
      await this.sessions.endIfSuperseded(userId, securityStamp).catch(() => undefined);
      throw error;
    }
    const superseded = await this.sessions.endIfSuperseded(userId, securityStamp);
    if (superseded || response === null || response === undefined) throw new MfaError('MFA_TOKEN_INVALID');
    return response;
  }
}
