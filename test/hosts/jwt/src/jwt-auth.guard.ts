import { Injectable, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { IS_PUBLIC } from './public.js';
import { Tokens, type AccessClaims } from './tokens.js';

export const JWT_SECRET = 'a secret of the application, not of nestjs-mfa';

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(private readonly tokens: Tokens) {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: JWT_SECRET });
  }

  /** The row is looked up, so that an ended sign-in ends its access tokens too. */
  validate(claims: AccessClaims): AccessClaims {
    if (!this.tokens.rows.has(claims.sid)) throw new UnauthorizedException();
    return claims;
  }
}

/** The strategy alone: without a valid access token it throws, on public routes too. */
@Injectable()
export class PlainJwtGuard extends AuthGuard('jwt') {}

/** Protects every route of the application but the public ones. */
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
