import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { appendCookie, cookieValues, type MfaCookieResponse } from '../host/cookies.js';
import { cookiesOf } from '../host/host-access.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** Injection token of a function that returns the common path of the built-in routes, global prefix included. */
export const MFA_ROUTES_PATH = Symbol.for('nestjs-mfa:routes-path');

const SAME_SITE = { lax: 'Lax', strict: 'Strict', none: 'None' } as const;

/** The mfa_token as a cookie, for logins that redirect (OAuth, magic link) and so cannot return JSON. */
@Injectable()
export class ChallengeCookie {
  constructor(
    @Inject(MFA_ROUTES_PATH) private readonly routesPath: () => string,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** @param maxAgeSeconds the lifetime of the token */
  set(response: MfaCookieResponse, token: string, maxAgeSeconds = this.options.challenge.lifetimeSeconds): void {
    this.append(response, token, maxAgeSeconds);
  }

  /**
   * Clears the cookie of a request that sent one, or replaces its token by `next`. Throws nothing, because the token that
   * it held is spent by now.
   */
  endSent(context: ExecutionContext, next?: { mfa_token: string; expiresIn: number }): void {
    if (this.readAll(cookiesOf(context)).length === 0) return;
    try {
      const response = context.switchToHttp().getResponse<MfaCookieResponse>();
      if (next) this.set(response, next.mfa_token, next.expiresIn);
      else this.clear(response);
    } catch {
      // Headers were sent already, or a context of ExternalContextCreator has no response. The token is spent anyway.
    }
  }

  clear(response: MfaCookieResponse): void {
    this.append(response, '', 0);
  }

  /**
   * Returns the non-empty values of the cookie in a `Cookie` header, in their order, at most 8. A sibling subdomain can
   * set a cookie with the same name, so the first value may be foreign.
   */
  // S73
  readAll(header: unknown): string[] {
    return cookieValues(header, this.options.challenge.cookie.name);
  }

  private append(response: MfaCookieResponse, value: string, maxAgeSeconds: number): void {
    const { name, path, secure, sameSite, domain } = this.options.challenge.cookie;
    // RFC 6265 §4.1; a JWT and the empty string need no encoding.
    const cookie = [
      `${name}=${value}`,
      `Max-Age=${maxAgeSeconds}`,
      `Path=${path ?? this.routesPath()}`,
      ...(domain === undefined ? [] : [`Domain=${domain}`]),
      'HttpOnly',
      `SameSite=${SAME_SITE[sameSite]}`,
      ...(secure ? ['Secure'] : []),
    ].join('; ');
    appendCookie(response, cookie);
  }
}
