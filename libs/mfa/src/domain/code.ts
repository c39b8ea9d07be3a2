/** White space, dashes, and the two characters that look like neither but are pasted along with them. */
const SEPARATORS = /[\s\p{White_Space}\p{Dash}\u00AD\u200B]/gu;

const DIGITS = /^[0-9]+$/;

/** Imported codes use all of A–Z and 0–9, so this is wider than the alphabet of our own codes. */
const BACKUP_CODE = /^(?=.*[A-Z])[A-Z0-9]{8}$/;

/**
 * What a person typed, reduced to the one spelling that is compared, counted and spent: NFKC, no
 * white space, no dashes, upper case (S24, S38). Idempotent for every accepted code, so variants of
 * one code share one identity (S25). Anything may come out; check its shape next.
 */
export function normaliseCode(input: string): string {
  return input.normalize('NFKC').replace(SEPARATORS, '').toUpperCase();
}

/** Whether a normalised code is `digits` ASCII digits; other scripts' digits are none (S24). */
export function isTotpShape(normalised: string, digits: number): boolean {
  return normalised.length === digits && DIGITS.test(normalised);
}

/** Whether a normalised code could be the TOTP of some authenticator: 6 to 8 ASCII digits (RFC 4226 §5.3). */
export function isAnyTotpShape(normalised: string): boolean {
  return normalised.length >= 6 && normalised.length <= 8 && DIGITS.test(normalised);
}

/** Whether a normalised code is 8 of A–Z and 0–9 with a letter, so that no code has both shapes (S35). */
export function isBackupCodeShape(normalised: string): boolean {
  return BACKUP_CODE.test(normalised);
}
