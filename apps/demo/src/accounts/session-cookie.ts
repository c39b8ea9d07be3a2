import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SESSION_SECONDS } from './sessions.service.js';
import { SESSION_COOKIE } from './session-token.js';

/** What the requests of both adapters have. */
export interface CookieRequest {
  headers: object;
  protocol?: string;
}

/** Out of reach of scripts, and not sent along by other sites' forms. */
const ATTRIBUTES = { httpOnly: true, sameSite: 'lax', path: '/' } as const;

/** The browser's half of a session, on whichever HTTP adapter. */
@Injectable()
export class SessionCookie {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  set(request: CookieRequest, response: unknown, token: string): void {
    const secure = request.protocol === 'https';
    this.adapterHost.httpAdapter.setCookie(response, SESSION_COOKIE, token, {
      ...ATTRIBUTES,
      secure,
      maxAge: SESSION_SECONDS,
    });
  }

  clear(response: unknown): void {
    this.adapterHost.httpAdapter.clearCookie(response, SESSION_COOKIE, ATTRIBUTES);
  }
}
