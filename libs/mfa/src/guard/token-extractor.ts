import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { ChallengeCookie } from '../challenge/challenge-cookie.js';
import { ChallengeTokens } from '../challenge/mfa-challenge.js';
import { hasMfaTokenType, LONGEST_TOKEN } from '../challenge/mfa-token.js';
import { MfaError } from '../domain/mfa-error.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

interface TokenRequest {
  body?: unknown;
  headers?: Record<string, unknown>;
}

/**
 * Finds the mfa_token of a request: the body field, then `x-mfa-token`, then a Bearer value with the `typ` of an
 * mfa_token, then the cookie. The first one that is present is used, valid or not. Any other Bearer value belongs to the
 * host.
 */
@Injectable()
export class TokenExtractor {
  constructor(
    private readonly cookie: ChallengeCookie,
    private readonly tokens: ChallengeTokens,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Returns the token, or `null` without one. Only HTTP requests have one.
   * @throws MfaError `MFA_BAD_REQUEST` if it is not a string, or too long
   */
  // S46
  extract(context: ExecutionContext): string | null {
    const sent = this.sentBy(context);
    // A token that is present and empty is none, and the cookie does not replace it.
    return (sent ?? null) === null ? this.extractCookie(context) : this.checked(sent);
  }

  /**
   * Like {@link extract}, without the cookie: the token that the client itself sent. The option `extractToken` replaces
   * both, so its token counts as sent.
   */
  extractSent(context: ExecutionContext): string | null {
    return this.checked(this.sentBy(context));
  }

  /** The token of the cookie. The browser sends it with every request, so it names no intention of the client. */
  extractCookie(context: ExecutionContext): string | null {
    if (context.getType() !== 'http' || this.options.challenge.extractToken) return null;
    return this.checked(this.ofCookies(context.switchToHttp().getRequest<TokenRequest>().headers?.cookie));
  }

  private sentBy(context: ExecutionContext): unknown {
    if (context.getType() !== 'http') return null;
    const { extractToken } = this.options.challenge;
    return extractToken ? extractToken(context) : this.search(context.switchToHttp().getRequest<TokenRequest>());
  }

  private checked(found: unknown): string | null {
    if (found === undefined || found === null || found === '') return null;
    if (typeof found !== 'string' || found.length > LONGEST_TOKEN) {
      throw new MfaError('MFA_BAD_REQUEST', {
        message: [`mfa_token must be a string of at most ${LONGEST_TOKEN} characters`],
      });
    }
    return found;
  }

  private search({ body, headers = {} }: TokenRequest): unknown {
    if (typeof body === 'object' && body !== null && Object.hasOwn(body, 'mfa_token')) {
      const { mfa_token: given } = body as { mfa_token: unknown };
      // A field that is null counts as left out.
      if (given !== null) return given;
    }
    return headers['x-mfa-token'] ?? bearerOf(headers.authorization);
  }

  /** Returns the first cookie with a readable mfa_token. A sibling subdomain can set a cookie with the same name. */
  // S73
  private ofCookies(header: unknown): string | undefined {
    const values = this.cookie.readAll(header);
    return values.find((value) => this.tokens.isReadable(value)) ?? values[0];
  }
}

/** RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1). */
function bearerOf(authorization: unknown): string | undefined {
  const value = typeof authorization === 'string' ? /^bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
  return value !== undefined && hasMfaTokenType(value) ? value : undefined;
}
