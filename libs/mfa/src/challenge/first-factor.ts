import type { MfaMethod } from '../host/mfa-method.js';
import type { MfaCookieResponse } from '../host/cookies.js';

/** Longest `state`, in bytes of JSON in UTF-8. */
export const LONGEST_STATE = 1024;
const LONGEST_ACCOUNT_NAME = 255;
const LONGEST_ISSUER = 64;
const MOST_AMR = 16;
const METHOD = /^[a-z_]{1,16}$/;
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
  /**
   * The account name in authenticator apps, for logins that lead to an enrollment; at most 255 characters. Required where
   * the application has a policy. @default the user id
   */
  accountName?: string | null | undefined;
  /** The issuer in authenticator apps, for logins that lead to an enrollment; at most 64 characters. @default the option `issuer` */
  issuer?: string | null | undefined;
  /**
   * The method that was the first factor, if it is also a method of second factors, such as `email` for a login by a link.
   * In this login it can be neither used nor enrolled.
   */
  firstFactor?: MfaMethod | null | undefined;
  /**
   * Required where the option `trustedDevices` is set: a text that changes with the user's password, such as its hash or the
   * time of its change. `null` = the user has no password. A change ends every trusted device of the user. The module stores
   * a keyed MAC of it.
   */
  credentialVersion?: string | null | undefined;
  /** The request and the response of this login, for browsers that the user trusts. Without them every login asks. */
  device?: MfaDeviceExchange | null | undefined;
  /** For apps that the user trusts: the `deviceToken` that the app received from an earlier login. */
  deviceToken?: string | null | undefined;
  /** For logins that redirect: the response on which the token is set as an httpOnly cookie. */
  cookie?: MfaCookieResponse | null | undefined;
}

/** Where the cookie of a trusted browser is read and set. */
export interface MfaDeviceExchange {
  request: { headers: object };
  response: MfaCookieResponse;
}

/** The checked details of the first factor. */
export interface FirstFactor {
  amr: string[];
  /** As JSON text. */
  state?: string;
  accountName?: string;
  issuer?: string;
  firstFactor?: string;
  /** The version of the password; `null` = the user has none. Left out where no device can be trusted. */
  credentialVersion?: string | null;
}

/** What the options of the application require of each login. */
export interface LoginRequirements {
  accountName: boolean;
  credentialVersion: boolean;
}

const wrong = (option: string, text: string, cause?: unknown) =>
  new TypeError(`MfaChallengeService.issue: option \`${option}\` ${text}`, { cause });

/**
 * Checks the options of `issue()`.
 * @throws TypeError with the name of the option that has a wrong type, is too long, or is unknown
 */
export function readFirstFactor(options: MfaIssueOptions, requires: LoginRequirements): FirstFactor {
  if ('response' in options) throw wrong('response', 'is now called `cookie`');
  const details = {
    state: stateText(options.state),
    accountName: readText('accountName', options.accountName, LONGEST_ACCOUNT_NAME),
    issuer: readText('issuer', options.issuer, LONGEST_ISSUER),
    firstFactor: readMethod(options.firstFactor),
  };
  if (requires.accountName && details.accountName === undefined) {
    throw wrong('accountName', 'is required, because a policy may lead to an enrollment');
  }
  const given = Object.entries(details).filter(([, value]) => value !== undefined);
  const version = requires.credentialVersion ? { credentialVersion: readVersion(options.credentialVersion) } : {};
  return { amr: readAmr(options.amr), ...Object.fromEntries(given), ...version };
}

function readText(option: 'accountName' | 'issuer', value: unknown, longest: number): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= longest) return value;
  throw wrong(option, `must be a string of 1 to ${longest} characters`);
}

// S111
function readVersion(version: unknown): string | null {
  if (version === null || (typeof version === 'string' && version !== '')) return version;
  const text =
    'is required, because trusted devices end with a change of the password: give a text that changes with it';
  throw wrong('credentialVersion', `${text}, or null for a user without a password`);
}

function readMethod(method: unknown): string | undefined {
  if (method === undefined || method === null) return undefined;
  if (isMethod(method)) return method;
  throw wrong('firstFactor', 'must be the name of a method, such as email');
}

/** Whether `value` can be the name of a method. */
export function isMethod(value: unknown): value is string {
  return typeof value === 'string' && METHOD.test(value);
}

function readAmr(amr: unknown): string[] {
  if (amr === undefined || amr === null) return [];
  if (isAmr(amr)) return [...new Set(amr)];
  throw wrong('amr', `must be a list of at most ${MOST_AMR} strings of 1 to 64 printable ASCII characters`);
}

/** Whether `value` is a list of authentication methods that fits in a token. */
export function isAmr(value: unknown, most = MOST_AMR): value is readonly string[] {
  if (!Array.isArray(value) || value.length > most) return false;
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
