import { promisify } from 'node:util';
import { Injectable, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { MfaHost, type MfaChange, type MfaLogin, type MfaPrincipal, type MfaStepUp } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { newSession, openSession, sessionsOf, store } from './sessions.js';

const requestOf = (context: ExecutionContext) => context.switchToHttp().getRequest<Request>();

@Injectable()
export class AcmeMfaHost extends MfaHost {
  constructor(private readonly users: Users) {
    super();
  }

  principal(context: ExecutionContext): MfaPrincipal | null {
    const { userId, sid, amr, mfaAt } = requestOf(context).session;
    const user = userId === undefined ? null : this.users.active(userId);
    return user && { userId: user.id, accountName: user.email, sessionId: sid, amr, mfaAt };
  }

  async completeLogin(login: MfaLogin, context: ExecutionContext) {
    if (!this.users.active(login.userId)) return null;
    await openSession(requestOf(context), newSession(login));
    return login.state;
  }

  override completeStepUp({ amr, mfaAt }: MfaStepUp, context: ExecutionContext) {
    Object.assign(requestOf(context).session, { amr, mfaAt: mfaAt.toISOString() });
  }

  override verifyPassword({ userId }: MfaPrincipal, password: string) {
    return this.users.active(String(userId))?.password === password;
  }

  override async revokeSessions({ userId, sessionId, enabled }: MfaChange, context?: ExecutionContext) {
    for (const [id, { sid }] of await sessionsOf(userId)) {
      if (sid !== sessionId) await promisify(store.destroy.bind(store))(id);
    }
    if (context && !enabled) Object.assign(requestOf(context).session, { amr: ['pwd'], mfaAt: null });
  }
}
