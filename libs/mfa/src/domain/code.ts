import { MfaError } from './mfa-error.js';

/** Longest code that is read, in characters. */
const LONGEST_CODE = 64;

/** White space, dashes, and what is invisible: joiners, direction marks, soft hyphens, variation selectors. */
// S77
const SEPARATORS = /[\s\p{White_Space}\p{Dash}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** A decimal digit of another script. */
const FOREIGN_DIGIT = /[^\P{Nd}0-9]/gu;

const DIGITS = /^[0-9]+$/;

/** Wider than the alphabet of generated codes, because imported codes use all of A–Z and 0–9. */
const BACKUP_CODE = /^(?=.*[A-Z])(?:[A-Z0-9]{8}|[A-Z0-9]{13})$/;

/**
 * Normalises a typed code to the one spelling that is compared, counted and spent: NFKC, no white space, no dashes, no
 * invisible characters, ASCII digits, upper case. It is idempotent for every accepted code, so all variants of a code are
 * one code. The result can be any text, so check its format next.
 */
// S24, S38, S77, S25
export function normaliseCode(input: string): string {
  return input.normalize('NFKC').replace(SEPARATORS, '').replace(FOREIGN_DIGIT, asciiDigit).toUpperCase();
}

/** The ASCII digit of a digit in any script. Unicode encodes the digits of a script as ten consecutive characters from 0 to 9. */
function asciiDigit(digit: string): string {
  const codePoint = digit.codePointAt(0)!;
  let first = codePoint;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first -= 1;
  return String((codePoint - first) % 10);
}

/** Whether a normalised code is `digits` ASCII digits. */
// S24
export function isTotpShape(normalised: string, digits: number): boolean {
  return normalised.length === digits && DIGITS.test(normalised);
}

/** Whether a normalised code has the format of a TOTP code: 6 to 8 ASCII digits (RFC 4226 §5.3). */
export function isAnyTotpShape(normalised: string): boolean {
  return normalised.length >= 6 && normalised.length <= 8 && DIGITS.test(normalised);
}

/** Whether a normalised code has the format of a backup code: 8 or 13 of A–Z and 0–9, with at least one letter. So no code has both formats. */
// S35
export function isBackupCodeShape(normalised: string): boolean {
  return BACKUP_CODE.test(normalised);
}

/**
 * The normalised form of a code that a caller gave.
 * @throws MfaError `MFA_BAD_REQUEST` for anything but a string of 1 to 64 characters without NUL
 */
export function readCode(code: unknown): string {
  // S24: every code comes through here, HTTP or not.
  if (typeof code !== 'string' || code === '' || code.length > LONGEST_CODE || code.includes('\0')) {
    throw new MfaError('MFA_BAD_REQUEST', { message: [`code must be a string of 1 to ${LONGEST_CODE} characters`] });
  }
  return normaliseCode(code);
}
