import { createDecipheriv, createHash } from 'node:crypto';
import { unreadable } from '../domain/secrets/sealed-format.js';
import { decodeBase64 } from './secret-text.js';

/** What begins every value: in base64 it reads `U2FsdGVkX1`. */
const MAGIC = Buffer.from('Salted__');
const SALT_BYTES = 8;
const KEY_BYTES = 32;
const IV_BYTES = 16;

/**
 * The plaintext of a value that crypto-js's `AES.encrypt(text, passphrase)` made, or `openssl enc -aes-256-cbc -md md5`.
 * @throws MfaError `MFA_SECRET_UNREADABLE`
 */
export function openOpenssl(value: string, passphrase: string): Buffer {
  const bytes = decodeBase64(value.trim());
  if (!bytes?.subarray(0, MAGIC.length).equals(MAGIC)) throw unreadable('it does not begin with U2FsdGVkX1');
  const body = bytes.subarray(MAGIC.length);
  const derived = bytesToKey(passphrase, body.subarray(0, SALT_BYTES));
  try {
    const decipher = createDecipheriv('aes-256-cbc', derived.subarray(0, KEY_BYTES), derived.subarray(KEY_BYTES));
    return Buffer.concat([decipher.update(body.subarray(SALT_BYTES)), decipher.final()]);
  } catch (cause) {
    throw unreadable('it was altered or truncated, or the passphrase is another', cause);
  }
}

/** EVP_BytesToKey of OpenSSL with MD5 and one iteration, the only one that crypto-js knows. */
function bytesToKey(passphrase: string, salt: Buffer): Buffer {
  let derived = Buffer.alloc(0);
  let block = Buffer.alloc(0);
  while (derived.length < KEY_BYTES + IV_BYTES) {
    block = createHash('md5').update(block).update(passphrase, 'utf8').update(salt).digest();
    derived = Buffer.concat([derived, block]);
  }
  return derived.subarray(0, KEY_BYTES + IV_BYTES);
}
