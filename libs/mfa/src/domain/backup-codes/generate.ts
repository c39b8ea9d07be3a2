import type { MfaRandom } from '../random.js';

/** A–Z without I and O, 2–9: 32 symbols that nobody mistakes for one another on paper. */
// S35
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const CODE_LENGTH = 8;
const MAX_DRAWS_PER_CODE = 100;

/**
 * `count` codes `XXXX-XXXX` of 40 random bits each, all different, each with a letter, so that none
 * looks like an 8-digit TOTP. Throws if the randomness keeps repeating itself.
 */
// S35
export function generateBackupCodes(random: MfaRandom, count = 10): string[] {
  const codes = new Set<string>();
  for (let draws = 0; codes.size < count; draws++) {
    // Only a broken source comes here; going on would never end.
    if (draws >= count * MAX_DRAWS_PER_CODE) throw new Error('MfaRandom keeps returning the same bytes');
    const code = drawCode(random);
    if (/[A-Z]/.test(code)) codes.add(`${code.slice(0, 4)}-${code.slice(4)}`);
  }
  return [...codes];
}

/** Five bits of a byte pick one of 32 symbols: every symbol is equally likely, nothing to reject. */
function drawCode(random: MfaRandom): string {
  return Array.from(random.bytes(CODE_LENGTH), (byte) => ALPHABET[byte & 31]).join('');
}
