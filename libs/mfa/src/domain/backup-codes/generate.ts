import type { MfaRandom } from '../random.js';

/** A–Z without I and O, and 2–9: 32 symbols that are easy to distinguish on paper. */
// S35
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** Characters of a code, with the groups in which it is shown. */
const GROUPS = { 8: /^(.{4})(.{4})$/, 13: /^(.{4})(.{4})(.{5})$/, 16: /^(.{4})(.{4})(.{4})(.{4})$/ };
const MAX_DRAWS_PER_CODE = 100;

/** Characters of a backup code: 8 have 40 random bits, 13 have 65. */
export type BackupCodeLength = 8 | 13;

/** What a set of backup codes consists of. */
export interface BackupCodeFormat {
  count: number;
  /** @default 8 */
  length?: BackupCodeLength;
}

/**
 * Generates different codes `XXXX-XXXX` of 40 random bits, or `XXXX-XXXX-XXXXX` of 65. Each has a letter, so none looks
 * like an 8-digit TOTP code. Throws if the random source keeps returning the same bytes.
 */
// S35
export function generateBackupCodes(
  random: MfaRandom,
  { count, length = 8 }: BackupCodeFormat = { count: 10 },
): string[] {
  const codes = new Set<string>();
  for (let draws = 0; codes.size < count; draws++) {
    // Only a broken random source reaches this line. Without the check, the loop would never end.
    if (draws >= count * MAX_DRAWS_PER_CODE) throw new Error('MfaRandom keeps returning the same bytes');
    const code = drawCode(random, length);
    if (/[A-Z]/.test(code)) codes.add(grouped(code, length));
  }
  return [...codes];
}

/** Generates a recovery code `XXXX-XXXX-XXXX-XXXX` of 80 random bits. */
// S104
export function generateRecoveryCode(random: MfaRandom): string {
  return grouped(drawCode(random, 16), 16);
}

function grouped(code: string, length: keyof typeof GROUPS): string {
  return GROUPS[length].exec(code)!.slice(1).join('-');
}

/** Draws one code. Five bits of a byte select one of 32 symbols, so every symbol is equally likely. */
function drawCode(random: MfaRandom, length: keyof typeof GROUPS): string {
  return Array.from(random.bytes(length), (byte) => ALPHABET[byte & 31]).join('');
}
