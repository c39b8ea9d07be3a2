import { fromBase32 } from '../domain/totp/totp.js';
import type { MfaSecretEncoding } from './import-plan.js';

/** No secret of any app is longer; a column that holds more holds something else. */
const MAX_BYTES = 128;

const DECODERS: Record<MfaSecretEncoding, (text: string) => Buffer | null> = {
  base32: (text) => {
    const symbols = text.replace(/[\s-]/g, '').replace(/=+$/, '');
    // 1, 3 and 6 symbols over do not make a whole number of bytes: such a text was cut off (RFC 4648 §6).
    const whole = ![1, 3, 6].includes(symbols.length % 8);
    return whole && /^[A-Z2-7]+$/i.test(symbols) ? fromBase32(symbols) : null;
  },
  hex: (text) => (/^([0-9a-f]{2})+$/i.test(text.trim()) ? Buffer.from(text.trim(), 'hex') : null),
  base64: (text) => decodeBase64(text.trim()),
  // speakeasy's `ascii`: the characters are the bytes. White space is among none of its symbols.
  ascii: (text) => (/^[\x21-\x7e]+$/.test(text) ? Buffer.from(text, 'latin1') : null),
};

/** The bytes of a secret, or `null` for a text that is not of that encoding, or of over 128 bytes. */
export function decodeSecret(text: string, encoding: MfaSecretEncoding): Buffer | null {
  const bytes = DECODERS[encoding](text);
  return bytes && bytes.length <= MAX_BYTES ? bytes : null;
}

/** Standard or URL-safe, padded or not; `null` for anything that Node's decoder would skip. */
export function decodeBase64(text: string): Buffer | null {
  const symbols = text.replace(/={1,2}$/, '');
  return /^[A-Za-z0-9+/_-]+$/.test(symbols) && symbols.length % 4 !== 1 ? Buffer.from(symbols, 'base64') : null;
}
