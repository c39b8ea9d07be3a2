import type { MfaCookieResponse } from './challenge-cookie.js';

/** Longest `state`, in bytes of JSON in UTF-8. */
export const LONGEST_STATE = 1024;
const MOST_AMR = 16;
/** Allowed values of `amr`, such as those of RFC 8176: printable ASCII without quotes and backslashes. */
const AMR_VALUE = /^[\x21\x23-\x5B\x5D-\x7E]{1,64}$/;

/** Details of the first factor of a login. A property with the value `null` counts as left out. */
export interface MfaIssueOptions<S = unknown> {
  /** How the first factor was proved (RFC 8176), for example `['pwd']`. It becomes part of `amr` of the login. @default [] */
  amr?: readonly string[] | null | undefined;
  /**
   * Data of this login for `completeLogin`, such as "remember me", a return URL or a tenant. JSON of at most 1024 bytes.
   * The mfa_token contains it encrypted, and `completeLogin` receives it as `state` of the login.
   */
  state?: S | null | undefined;
  /** The account name in authenticator apps, for logins that lead to an enrollment. */
  accountName?: string | null | undefined;
  /** The issuer in authenticator apps, for logins that lead to an enrollment. */
  issuer?: string | null | undefined;
  /** For logins that redirect: the response on which the token is set as an httpOnly cookie. */
  cookie?: MfaCookieResponse | null | undefined;
}

/** The checked details of the first factor. */
export interface FirstFactor {
  amr: string[];
  /** As JSON text. */
  state?: string;
}

const wrong = (option: string, text: string, cause?: unknown) =>
  new TypeError(`MfaChallengeService.issue: option \`${option}\` ${text}`, { cause });

/**
 * Checks the options of `issue()`.
 * @throws TypeError with the name of the option that has a wrong type, is too long, or is unknown
 */
export function readFirstFactor(options: MfaIssueOptions): FirstFactor {
  for (const option of ['accountName', 'issuer'] as const) {
    const value: unknown = options[option];
    if (value !== undefined && value !== null && typeof value !== 'string') throw wrong(option, 'must be a string');
  }
  if ('response' in options) throw wrong('response', 'is now called `cookie`');
  const state = stateText(options.state);
  return { amr: readAmr(options.amr), ...(state === undefined ? {} : { state }) };
}

function readAmr(amr: unknown): string[] {
  if (amr === undefined || amr === null) return [];
  if (isAmr(amr)) return [...new Set(amr)];
  throw wrong('amr', `must be a list of at most ${MOST_AMR} strings of 1 to 64 printable ASCII characters`);
}

/** Whether `value` is a list of authentication methods that fits in a token. */
export function isAmr(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > MOST_AMR) return false;
  return value.every((each) => typeof each === 'string' && AMR_VALUE.test(each));
}

function stateText(state: unknown): string | undefined {
  if (state === undefined || state === null) return undefined;
  let text: string | undefined;
  try {
    text = JSON.stringify(state);
  } catch (error) {
    throw wrong('state', 'must be JSON', error);
  }
  if (text === undefined) throw wrong('state', 'must be JSON');
  if (Buffer.byteLength(text) > LONGEST_STATE) {
    throw wrong('state', `must be JSON of at most ${LONGEST_STATE} bytes in UTF-8`);
  }
  return text;
}
