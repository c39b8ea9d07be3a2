import { Injectable, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import type { MfaPrincipal } from 'nestjs-mfa';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { Users } from './accounts.js';
import { IS_PUBLIC } from './public.js';
import { Tokens, type AccessClaims } from './tokens.js';

/** Your own JWT secret. It has nothing to do with the option `keys` of nestjs-mfa. */
export const JWT_SECRET = process.env.JWT_SECRET!;

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(
    private readonly tokens: Tokens,
    private readonly users: Users,
  ) {
    const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken();
    super({ jwtFromRequest, secretOrKey: JWT_SECRET, audience: 'access', algorithms: ['HS256'] });
  }

  /** An access token works only while it agrees with its row: a change of factors or an ended sign-in ends it. */
  async validate({ sub, sid, amr, mfaAt }: AccessClaims): Promise<MfaPrincipal> {
    const row = await this.tokens.find(sid);
    const user = await this.users.active(sub);
    if (!row || !user || row.mfaAt !== mfaAt) throw new UnauthorizedException();
    return { userId: sub, accountName: user.email, sessionId: sid, amr, mfaAt };
  }
}

/** The strategy alone. It requires an access token on public routes too. */
@Injectable()
export class PlainJwtGuard extends AuthGuard('jwt') {}

/** Your global guard: it protects every route but the public ones. */
@Injectable()
export class JwtAuthGuard extends AuthGuard('jwt') {
  constructor(private readonly reflector: Reflector) {
    super();
  }

  override canActivate(context: ExecutionContext) {
    const open = this.reflector.getAllAndOverride<boolean>(IS_PUBLIC, [context.getHandler(), context.getClass()]);
    return open ? true : super.canActivate(context);
  }
}
