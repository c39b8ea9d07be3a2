import {
  createParamDecorator,
  Injectable,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { AuthService } from './auth.service.js';
import { readSessionToken } from './session-token.js';
import type { UserSession } from './user-session.entity.js';

const SESSION = Symbol('demo:session');
type SignedInRequest = { [SESSION]?: UserSession };

/** Admits signed-in users; what they are allowed beyond that is for other guards. */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(private readonly auth: AuthService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const session = await this.auth.authenticate(readSessionToken(context));
    if (!session) throw new UnauthorizedException('Sign in first');
    context.switchToHttp().getRequest<SignedInRequest>()[SESSION] = session;
    return true;
  }
}

/** The session that {@link SessionGuard} admitted. */
export function sessionOf(context: ExecutionContext): UserSession {
  const session = context.switchToHttp().getRequest<SignedInRequest>()[SESSION];
  if (!session) throw new Error('the session of a request needs SessionGuard on the route');
  return session;
}

export const CurrentSession = createParamDecorator((_: unknown, context: ExecutionContext) => sessionOf(context));
