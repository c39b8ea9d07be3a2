import { TOTP } from 'otpauth';
import type { TotpParameters } from '../authenticators/authenticator.js';
import { MfaError } from '../mfa-error.js';
import { fromBase32, toBase32 } from './totp.js';

/** Longest URI in characters. Phones cannot reliably read a denser QR code from a screen. */
const MAX_URI_LENGTH = 1000;

/** Control characters and line separators. */
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Longest authenticator name in a label, in characters, so that issuer and account still fit. */
const LABEL_NAME_LENGTH = 24;

/** The data of a provisioning URI. */
export interface OtpauthUriRequest {
  issuer: string;
  accountName: string;
  /** Raw bytes. */
  secret: Uint8Array;
  parameters: TotpParameters;
}

/**
 * Builds the provisioning URI `otpauth://totp/Issuer:account?…` of the Key URI format. Issuer and account are encoded, so
 * they cannot add parameters.
 * @throws MfaError `MFA_BAD_REQUEST` if issuer or account is blank or contains control characters or lone surrogates, or
 * if the URI would exceed 1000 characters
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

/** The properties of an authenticator that a label uses. */
export interface LabelledAuthenticator {
  /** Lower-case UUID. */
  id: string;
  name: string;
}

/**
 * The account name as the app shows it. Some apps overwrite an entry with the same label. So the label of a further
 * authenticator has its name in brackets, and a part of its id if another one has the same name.
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

/**
 * Formats a base32 secret in groups of four, for typing.
 * @throws MfaError `MFA_BAD_REQUEST` if it is not base32
 */
export function manualKey(base32: string): string {
  const canonical = toBase32(fromBase32(base32));
  return canonical.match(/.{1,4}/g)?.join(' ') ?? '';
}

/** Cleans one part of a label. A colon becomes a hyphen, because apps split the decoded label at a colon. */
function labelPart(text: unknown, name: string): string {
  // The host provides the text, so its type is checked at run time.
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
