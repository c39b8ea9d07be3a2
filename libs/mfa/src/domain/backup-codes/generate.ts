import type { MfaRandom } from '../random.js';

/** A–Z without I and O, and 2–9: 32 symbols that are easy to distinguish on paper. */
// S35
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const CODE_LENGTH = 8;
const MAX_DRAWS_PER_CODE = 100;

/**
 * Generates `count` different codes `XXXX-XXXX` of 40 random bits. Each has a letter, so none looks like an 8-digit TOTP
 * code. Throws if the random source keeps returning the same bytes.
 */
// S35
export function generateBackupCodes(random: MfaRandom, count = 10): string[] {
  const codes = new Set<string>();
  for (let draws = 0; codes.size < count; draws++) {
    // Only a broken random source reaches this line. Without the check, the loop would never end.
    if (draws >= count * MAX_DRAWS_PER_CODE) throw new Error('MfaRandom keeps returning the same bytes');
    const code = drawCode(random);
    if (/[A-Z]/.test(code)) codes.add(`${code.slice(0, 4)}-${code.slice(4)}`);
  }
  return [...codes];
}

/** Draws one code. Five bits of a byte select one of 32 symbols, so every symbol is equally likely. */
function drawCode(random: MfaRandom): string {
  return Array.from(random.bytes(CODE_LENGTH), (byte) => ALPHABET[byte & 31]).join('');
}
