import { createDecipheriv, createHash, type CipherGCMTypes } from 'node:crypto';
import { unreadable } from '../domain/secrets/sealed-format.js';
import type { MfaAesDecryption } from './import-plan.js';
import { decodeBase64 } from './secret-text.js';

const TAG_BYTES = 16;
const PARTS = ['iv', 'tag', 'ciphertext'] as const;
type PartName = (typeof PARTS)[number];
type Parts = Partial<Record<PartName, Buffer>>;

/** The order of the parts in a stored value. */
export interface AesLayout {
  order: readonly PartName[];
  /** `null`: their bytes follow each other. */
  separator: string | null;
}

/** The AES settings of the plan, with every default. */
export interface ResolvedAes {
  cipher: MfaAesDecryption['cipher'];
  key: Buffer;
  layout: AesLayout;
  encoding: 'hex' | 'base64';
  ivBytes: number;
}

/** Such as `iv:tag:ciphertext` or `iv+ciphertext`; `null` when parts are missing, repeated, or too many for the cipher. */
export function parseLayout(text: string, cipher: string): AesLayout | null {
  const separator = /[^a-z]/.exec(text)?.[0];
  if (separator === undefined) return null;
  const order = text.split(separator) as PartName[];
  const expected = isGcm(cipher) ? ['ciphertext', 'iv', 'tag'] : ['ciphertext', 'iv'];
  if (order.toSorted().join() !== expected.join()) return null;
  return { order, separator: separator === '+' ? null : separator };
}

/** How many bytes a cipher's key has. */
export const keyBytes = (cipher: string): number => Number(cipher.slice(4, 7)) / 8;

/** The usual length of the IV of a cipher, in bytes. */
export const usualIvBytes = (cipher: string): number => (isGcm(cipher) ? 12 : 16);

/** The key's bytes, of whatever length. */
export function readKey({ key, keyEncoding = 'utf8' }: MfaAesDecryption): Buffer {
  if (typeof key !== 'string') return Buffer.from(key);
  return keyEncoding === 'sha256' ? createHash('sha256').update(key).digest() : Buffer.from(key, keyEncoding);
}

/**
 * The plaintext of one stored value.
 * @throws MfaError `MFA_SECRET_UNREADABLE`
 */
export function openAes(value: string, aes: ResolvedAes): Buffer {
  const { iv, tag, ciphertext } = split(value.trim(), aes);
  if (!iv?.length || !ciphertext) throw unreadable('it has not the parts that `layout` names');
  try {
    const decipher = createDecipheriv(aes.cipher as CipherGCMTypes, aes.key, iv, { authTagLength: TAG_BYTES });
    if (isGcm(aes.cipher)) decipher.setAuthTag(tag ?? Buffer.alloc(0));
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (cause) {
    throw unreadable('it was altered or truncated, or the key is another', cause);
  }
}

function split(value: string, { layout, encoding, ivBytes }: ResolvedAes): Parts {
  const { order, separator } = layout;
  if (separator !== null) {
    const texts = value.split(separator);
    const whole = texts.length === order.length;
    return Object.fromEntries(order.map((name, at) => [name, whole ? bytesOf(texts[at]!, encoding) : undefined]));
  }
  let rest = bytesOf(value, encoding) ?? Buffer.alloc(0);
  const lengths = { iv: ivBytes, tag: TAG_BYTES, ciphertext: 0 };
  lengths.ciphertext = Math.max(0, rest.length - order.reduce((sum, name) => sum + lengths[name], 0));
  return Object.fromEntries(
    order.map((name) => {
      const part = rest.subarray(0, lengths[name]);
      rest = rest.subarray(lengths[name]);
      return [name, part];
    }),
  );
}

function bytesOf(text: string, encoding: 'hex' | 'base64'): Buffer | undefined {
  if (encoding === 'base64') return decodeBase64(text) ?? undefined;
  return /^([0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

function isGcm(cipher: string): boolean {
  return cipher.endsWith('-gcm');
}
