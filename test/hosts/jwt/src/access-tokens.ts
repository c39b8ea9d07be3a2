import { Injectable, type ExecutionContext } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { MfaPrincipal } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { Tokens, type AccessClaims } from './tokens.js';

/** The strategy without Passport. `principal` of the adapter and your own guard both call it. */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly tokens: Tokens,
    private readonly users: Users,
  ) {}

  /** `null` = not signed in. A failure of the database stays a failure. */
  async principal(context: ExecutionContext): Promise<MfaPrincipal | null> {
    const { headers } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    const claims = await this.read(headers.authorization?.replace(/^Bearer /i, '') ?? '');
    if (!claims) return null;
    const { sub, sid, amr, mfaAt } = claims;
    const row = await this.tokens.find(sid);
    const user = await this.users.active(sub);
    if (!row || !user || row.mfaAt !== mfaAt) return null;
    return { userId: sub, accountName: user.email, sessionId: sid, amr, mfaAt };
  }

  private async read(accessToken: string): Promise<AccessClaims | null> {
    try {
      return await this.jwt.verifyAsync<AccessClaims>(accessToken, { audience: 'access', algorithms: ['HS256'] });
    } catch {
      return null;
    }
  }
}
