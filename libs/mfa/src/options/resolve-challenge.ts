import type { ExecutionContext } from '@nestjs/common';
import type { MfaChallengeCookieOptions, MfaOptions } from './mfa-options.js';
import { flag, group, misconfigured, oneOf, whole } from './option-checks.js';

/** The options of the challenge cookie, with defaults. `path: undefined` = the path of the built-in routes. */
export interface ResolvedChallengeCookie {
  name: string;
  path: string | undefined;
  secure: boolean;
  sameSite: 'lax' | 'strict' | 'none';
  domain: string | undefined;
}

export interface ResolvedChallengeOptions {
  lifetimeSeconds: number;
  extractToken: ((context: ExecutionContext) => string | null | undefined) | undefined;
  cookie: ResolvedChallengeCookie;
}

/** RFC 6265 §4.1.1: a name is a token, a path has no control characters and no semicolons, a domain is a host name. */
const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const COOKIE_PATH = /^\/[\x20-\x3a\x3c-\x7e]*$/;
const COOKIE_DOMAIN = /^\.?[a-z\d](?:[a-z\d.-]*[a-z\d])?$/i;

const matches = (pattern: RegExp, value: unknown) => typeof value === 'string' && pattern.test(value);

export function resolveChallenge(challenge: MfaOptions['challenge']): ResolvedChallengeOptions {
  const { lifetimeSeconds, extractToken, cookie } = group('challenge', challenge);
  if (extractToken != null && typeof extractToken !== 'function') {
    throw misconfigured('option `challenge.extractToken` must be a function');
  }
  return {
    lifetimeSeconds: whole('challenge.lifetimeSeconds', lifetimeSeconds, 300, 30, 3600),
    extractToken: extractToken ?? undefined,
    cookie: resolveCookie(group('challenge.cookie', cookie)),
  };
}

function resolveCookie(options: MfaChallengeCookieOptions): ResolvedChallengeCookie {
  const cookie: ResolvedChallengeCookie = {
    name: options.name ?? 'mfa_token',
    path: options.path ?? undefined,
    secure: flag('challenge.cookie.secure', options.secure, true),
    sameSite: oneOf('challenge.cookie.sameSite', options.sameSite ?? 'lax', ['lax', 'strict', 'none']),
    domain: options.domain ?? undefined,
  };
  if (!matches(COOKIE_NAME, cookie.name)) {
    throw misconfigured('option `challenge.cookie.name` is not a valid cookie name');
  }
  if (cookie.path !== undefined && !matches(COOKIE_PATH, cookie.path)) {
    throw misconfigured('option `challenge.cookie.path` must be a path in ASCII that begins with a slash');
  }
  if (cookie.domain !== undefined && !matches(COOKIE_DOMAIN, cookie.domain)) {
    throw misconfigured('option `challenge.cookie.domain` must be a host name, such as example.com');
  }
  requireWhatBrowsersRequire(cookie);
  return cookie;
}

/** Refuses a cookie that browsers would ignore (RFC 6265bis §5.7). The login could not continue without its cookie. */
function requireWhatBrowsersRequire({ name, path, secure, sameSite, domain }: ResolvedChallengeCookie): void {
  if (!secure && sameSite === 'none') {
    throw misconfigured("option `challenge.cookie.sameSite` can be 'none' only with `challenge.cookie.secure: true`");
  }
  if (!secure && /^__(?:host|secure)-/i.test(name)) {
    throw misconfigured(`option \`challenge.cookie.name\`: ${name} needs \`challenge.cookie.secure: true\``);
  }
  if (/^__host-/i.test(name) && (path !== '/' || domain !== undefined)) {
    throw misconfigured(
      `option \`challenge.cookie.name\`: ${name} needs \`challenge.cookie.path: '/'\` and no \`challenge.cookie.domain\``,
    );
  }
}
