import { TOTP } from 'otpauth';
import type { TotpParameters } from '../authenticators/authenticator.js';
import { MfaError } from '../mfa-error.js';
import { fromBase32, toBase32 } from './totp.js';

/** A QR code of 1000 bytes is about the densest that a phone still reads from a screen. */
const MAX_URI_LENGTH = 1000;

/** Control characters and line separators. */
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Longest name in a label, in characters, so that a name never takes the room of issuer and account. */
const LABEL_NAME_LENGTH = 24;

/** What an authenticator app is told. */
export interface OtpauthUriRequest {
  issuer: string;
  accountName: string;
  /** Raw bytes. */
  secret: Uint8Array;
  parameters: TotpParameters;
}

/**
 * The provisioning URI `otpauth://totp/Issuer:account?…` of the Key URI format. Issuer and account
 * stay data whatever they contain. Throws `MFA_BAD_REQUEST` when one of them is blank or holds
 * control characters or lone surrogates, or when the URI would exceed 1000 characters.
 */
// S20
export function otpauthUri({ issuer, accountName, secret, parameters }: OtpauthUriRequest): string {
  const uri = new TOTP({
    issuer: labelPart(issuer, 'issuer'),
    label: labelPart(accountName, 'accountName'),
    secret: toBase32(secret),
    algorithm: parameters.algorithm,
    digits: parameters.digits,
    period: parameters.periodSeconds,
  }).toString();
  if (uri.length > MAX_URI_LENGTH) throw badRequest('issuer and accountName are too long for a QR code');
  return uri;
}

/** An authenticator as far as a label names it. */
export interface LabelledAuthenticator {
  /** Lower-case UUID. */
  id: string;
  name: string;
}

/**
 * The account name as the app shows it. Some apps overwrite an entry that has the same label, so the label of a further
 * authenticator carries its name in brackets, and a part of its id where another one has that name.
 * @param others the user's active authenticators
 */
// S76
export function accountLabel(
  accountName: string,
  { id, name }: LabelledAuthenticator,
  others: readonly LabelledAuthenticator[],
): string {
  if (others.length === 0) return accountName;
  const shown = labelName(name);
  const taken = others.some((other) => labelName(other.name) === shown);
  return `${accountName} (${taken ? `${shown} ${id.slice(0, 4)}` : shown})`;
}

function labelName(name: string): string {
  const plain = name.replace(new RegExp(FORBIDDEN, 'gu'), ' ').toWellFormed();
  return [...plain].slice(0, LABEL_NAME_LENGTH).join('').trim();
}

/** A base32 secret in groups of four, for typing it in by hand. Throws `MFA_BAD_REQUEST` if it is not base32. */
export function manualKey(base32: string): string {
  const canonical = toBase32(fromBase32(base32));
  return canonical.match(/.{1,4}/g)?.join(' ') ?? '';
}

/** The Key URI format allows no colon in either part, since apps split the decoded label there. */
function labelPart(text: unknown, name: string): string {
  // The host gives it, so its type proves nothing.
  const trimmed = typeof text === 'string' ? text.trim() : '';
  if (trimmed === '') throw badRequest(`${name} must be a string that is not empty`);
  // A lone surrogate makes encodeURIComponent throw a URIError, which would end as a 500 (S67).
  if (FORBIDDEN.test(trimmed) || !trimmed.isWellFormed()) {
    throw badRequest(`${name} must not contain control characters or broken Unicode`);
  }
  return trimmed.replaceAll(':', '-');
}

function badRequest(message: string): MfaError {
  return new MfaError('MFA_BAD_REQUEST', { message: [message] });
}
