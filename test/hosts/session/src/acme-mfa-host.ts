import { Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaHost, type MfaChange, type MfaLogin, type MfaPrincipal, type MfaStepUp } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { Sessions, type SessionRequest } from './sessions.js';

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<SessionRequest>();

@Injectable()
export class AcmeMfaHost extends MfaHost {
  constructor(
    private readonly users: Users,
    private readonly sessions: Sessions,
  ) {
    super();
  }

  principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.sessions.find(requestOf(context));
    if (!session) return null;
    const { userId, sid, amr, mfaAt } = session;
    return { userId, accountName: this.users.active(userId)!.email, sessionId: sid, amr, mfaAt };
  }

  /** The response of `POST /mfa/verify`. The user may be blocked since the password: `null` is 401. */
  async completeLogin(login: MfaLogin, context: ExecutionContext) {
    if (!(await this.users.active(login.userId))) return null;
    await this.sessions.open(requestOf(context), login);
    return login.state ?? {}; // undefined would refuse the login
  }

  override completeStepUp({ amr, mfaAt }: MfaStepUp, context: ExecutionContext) {
    return this.sessions.raise(requestOf(context), { amr, mfaAt });
  }

  /** The proof for the first enrollment. */
  override verifyPassword({ userId }: MfaPrincipal, password: string) {
    return this.users.active(String(userId))?.password === password;
  }

  /** The request of an administrator is not a session of the user, so compare `sid`. */
  override revokeSessions({ userId, sessionId, enabled }: MfaChange, context?: ExecutionContext) {
    const request = context && sessionId ? requestOf(context) : null;
    const own = request?.session.sid === sessionId ? request : null;
    this.sessions.endOthers(userId, own);
    if (own && !enabled) Object.assign(own.session, { amr: ['pwd'], mfaAt: null });
  }
}
