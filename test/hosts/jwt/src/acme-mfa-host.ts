import { Injectable, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { MfaHost, type MfaChange, type MfaLogin, type MfaPrincipal, type MfaStepUp } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { PlainJwtGuard } from './jwt-auth.guard.js';
import { Tokens } from './tokens.js';

@Injectable()
export class AcmeMfaHost extends MfaHost {
  constructor(
    private readonly users: Users,
    private readonly tokens: Tokens,
    private readonly jwt: PlainJwtGuard,
  ) {
    super();
  }

  /** Runs the Passport strategy. `null` = not signed in. A failure of the database stays a failure. */
  async principal(context: ExecutionContext): Promise<MfaPrincipal | null> {
    try {
      await this.jwt.canActivate(context);
    } catch (error) {
      if (error instanceof UnauthorizedException) return null;
      throw error;
    }
    return context.switchToHttp().getRequest<{ user: MfaPrincipal }>().user;
  }

  /** The response of `POST /mfa/verify`. The user may be blocked since the password: `null` is 401. */
  async completeLogin(login: MfaLogin) {
    if (!(await this.users.active(login.userId))) return null;
    return { ...(await this.tokens.open(login)), deviceToken: login.deviceToken }; // of a trusted app, else undefined
  }

  /** A confirmed enrollment or a step-up. The new tokens are `session` in the response. */
  override completeStepUp({ sessionId, amr, mfaAt }: MfaStepUp) {
    return this.tokens.change(sessionId!, { amr, mfaAt });
  }

  /** The proof for the first enrollment. */
  override async verifyPassword({ userId }: MfaPrincipal, password: string) {
    return (await this.users.active(String(userId)))?.password === password;
  }

  /** Ends the other sign-ins after a change of factors. Without MFA, the one that stays has no second factor. */
  override async revokeSessions({ userId, sessionId, enabled }: MfaChange) {
    await this.tokens.endOthers(userId, sessionId);
    return sessionId && !enabled ? this.tokens.change(sessionId, { amr: ['pwd'], mfaAt: null }) : undefined;
  }
}
