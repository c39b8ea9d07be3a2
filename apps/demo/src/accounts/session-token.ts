import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

export const SESSION_COOKIE = 'demo_session';

interface HttpRequest {
  headers: { authorization?: string; cookie?: string };
}

const BEARER = /^Bearer +([A-Za-z0-9_-]{20,100})$/i;
const COOKIE = new RegExp(`(?:^|;) *${SESSION_COOKIE}=([A-Za-z0-9_-]{20,100}) *(?:;|$)`);

/** The session token of a request: `Authorization: Bearer` for scripts, which then stands alone, else the cookie. */
export function readSessionToken(context: ExecutionContext): string | undefined {
  const { authorization, cookie } = context.switchToHttp().getRequest<HttpRequest>().headers;
  return authorization === undefined ? COOKIE.exec(cookie ?? '')?.[1] : BEARER.exec(authorization)?.[1];
}

/** The session token of this request, whether or not it is still good. */
export const SessionToken = createParamDecorator((_: unknown, context: ExecutionContext) => readSessionToken(context));
