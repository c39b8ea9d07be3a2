import { Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaHost, type MfaChange, type MfaLogin, type MfaPrincipal, type MfaStepUp } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { PlainJwtGuard } from './jwt-auth.guard.js';
import { Tokens, type AccessClaims } from './tokens.js';

@Injectable()
export class AcmeMfaHost extends MfaHost {
  constructor(
    private readonly users: Users,
    private readonly tokens: Tokens,
    private readonly jwt: PlainJwtGuard,
  ) {
    super();
  }

  async principal(context: ExecutionContext): Promise<MfaPrincipal | null> {
    try {
      await this.jwt.canActivate(context);
    } catch {
      return null;
    }
    const { sub, sid, amr, mfaAt } = context.switchToHttp().getRequest<{ user: AccessClaims }>().user;
    return { userId: sub, sessionId: sid, amr, mfaAt, accountName: () => this.users.active(sub)!.email };
  }

  completeLogin(login: MfaLogin) {
    return this.users.active(login.userId) && this.tokens.open(login);
  }

  override completeStepUp({ sessionId, amr, mfaAt }: MfaStepUp) {
    const row = this.tokens.rows.get(sessionId!)!;
    return this.tokens.access(Object.assign(row, { amr, mfaAt }));
  }

  override verifyPassword({ userId }: MfaPrincipal, password: string) {
    return this.users.active(String(userId))?.password === password;
  }

  override revokeSessions({ userId, sessionId, enabled }: MfaChange) {
    const rows = [...this.tokens.rows.values()].filter((row) => row.userId === userId);
    for (const row of rows) if (row.sid !== sessionId) this.tokens.rows.delete(row.sid);
    const kept = this.tokens.rows.get(sessionId ?? '');
    if (!kept || enabled) return undefined;
    return this.tokens.access(Object.assign(kept, { amr: ['pwd'], mfaAt: null }));
  }
}
