import { Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaHost, type MfaChange, type MfaLogin, type MfaPrincipal, type MfaStepUp } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { Sessions } from './sessions.js';

@Injectable()
export class AcmeMfaHost extends MfaHost {
  constructor(
    private readonly users: Users,
    private readonly sessions: Sessions,
  ) {
    super();
  }

  principal(context: ExecutionContext): MfaPrincipal | null {
    return this.sessions.principal(context);
  }

  async completeLogin(login: MfaLogin) {
    if (!(await this.users.active(login.userId))) return null;
    return { token: this.sessions.open(login) };
  }

  override completeStepUp({ amr, mfaAt }: MfaStepUp, context: ExecutionContext) {
    Object.assign(this.sessions.of(context)!, { amr, mfaAt });
  }

  override verifyPassword({ userId }: MfaPrincipal, password: string) {
    return this.users.active(String(userId))?.password === password;
  }

  override revokeSessions({ userId, sessionId, enabled }: MfaChange) {
    const kept = this.sessions.endAllBut(userId, sessionId);
    if (kept && !enabled) Object.assign(kept, { amr: ['pwd'], mfaAt: null });
  }
}
