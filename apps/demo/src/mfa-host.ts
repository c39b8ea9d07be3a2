import { Injectable, type ExecutionContext } from '@nestjs/common';
import {
  MfaHost,
  type MfaChange,
  type MfaEnrollmentReason,
  type MfaLogin,
  type MfaPolicy,
  type MfaPrincipal,
  type MfaStepUp,
} from 'nestjs-mfa';
import { AuthService } from './accounts/auth.service.js';
import { SessionCookie, type CookieRequest } from './accounts/session-cookie.js';
import { POLICIES } from './accounts/role.js';
import { readSessionToken } from './accounts/session-token.js';
import { SessionsService } from './accounts/sessions.service.js';
import { UsersService } from './accounts/users.service.js';

/** All that the library needs to know about this application's users and sessions. */
@Injectable()
export class DemoMfaHost extends MfaHost {
  constructor(
    private readonly auth: AuthService,
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly cookie: SessionCookie,
  ) {
    super();
  }

  async principal(context: ExecutionContext): Promise<MfaPrincipal | null> {
    const session = await this.auth.authenticate(readSessionToken(context));
    if (!session) return null;
    return {
      userId: session.userId,
      accountName: session.user.email,
      // The hash of the token identifies the session. Nobody can sign in with it.
      sessionId: session.tokenHash,
      amr: session.amr,
      mfaAt: session.mfaAtMs === null ? undefined : new Date(session.mfaAtMs),
      authenticatedAt: new Date(session.authenticatedAtMs),
    };
  }

  async completeLogin({ userId, amr, mfaAt }: MfaLogin, context: ExecutionContext) {
    const accessToken = await this.auth.completeLogin(userId, { amr, mfaAt });
    if (accessToken === null) return null;
    const http = context.switchToHttp();
    this.cookie.set(http.getRequest<CookieRequest>(), http.getResponse(), accessToken);
    return { accessToken };
  }

  /** The session stays the same one; it only remembers the second factor. */
  override async completeStepUp({ amr, mfaAt }: MfaStepUp, context: ExecutionContext): Promise<void> {
    const token = readSessionToken(context);
    if (token !== undefined) await this.sessions.recordSecondFactor(token, { amr, mfaAt });
  }

  override verifyPassword({ userId }: MfaPrincipal, password: string): Promise<boolean> {
    return this.users.hasPassword(String(userId), password);
  }

  /** The role decides. A deleted user needs no factor, because no session is opened for one. */
  override async policy(userId: string): Promise<MfaPolicy | null> {
    const role = await this.users.roleOf(userId);
    return role && POLICIES[role];
  }

  /**
   * The demo knows nothing about its users but their password, so the password is enough for the first factor of an
   * account. A real application checks more here, for example a code that it sends by e-mail. After a reset by an
   * administrator, the password is not enough: the user needs the administrator's recovery code.
   */
  override authorizeEnrollment(_userId: string, { reason }: { reason: MfaEnrollmentReason }): boolean {
    return reason === 'policy';
  }

  /**
   * The session that changed the factors stays signed in; the user's other sessions end. A new authenticator ends none: a
   * session from before has no second factor, and is asked for one where that matters. A recovery ends every session: it belongs to
   * a login, whose own session is opened afterwards.
   */
  override async revokeSessions(
    { type, userId, enabled }: MfaChange,
    context: ExecutionContext | undefined,
  ): Promise<void> {
    if (type === 'mfa.authenticator.confirmed') return;
    const kept = context && type !== 'mfa.recovered' ? readSessionToken(context) : undefined;
    await this.sessions.closeOthers(userId, kept);
    if (!enabled) await this.sessions.forgetSecondFactors(userId);
  }

  /** For the log of the administrators. */
  override requestInfo(context: ExecutionContext) {
    const { ip, headers } = context.switchToHttp().getRequest<{ ip?: string; headers: { 'user-agent'?: string } }>();
    return { ip, userAgent: headers['user-agent'] };
  }
}
