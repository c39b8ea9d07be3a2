import {
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import { MfaError } from '../mfa-error.js';
import { unreadable } from './sealed-format.js';

/** A Fernet key, or the application secret that the Python service derived its Fernet key from. */
export type MfaFernetKey =
  /** A Fernet key: 32 bytes in base64url, 44 characters. */
  | { key: string }
  /** The application's `SECRET_KEY`; the Fernet key is `base64url(SHA-256(SECRET_KEY))`. */
  | { secretKey: string };

/** The two halves of a Fernet key. */
export interface FernetKeyPair {
  readonly signingKey: KeyObject;
  readonly encryptionKey: KeyObject;
}

/** The maximum age of a token. Without it, any age is accepted. */
export interface FernetFreshness {
  nowMs: number;
  timeToLiveSeconds: number;
}

const VERSION = 0x80;
const KEY_BYTES = 32;
/** Version, timestamp, IV. */
const HEADER_BYTES = 1 + 8 + 16;
const BLOCK_BYTES = 16;
const MAC_BYTES = 32;
const MAX_SKEW_SECONDS = 60;

/**
 * The key pair of one entry of `fernet.keys`. `name` is the name of the entry in an error message.
 * @throws MfaError `MFA_MISCONFIGURED`
 */
export function fernetKeyPair(given: MfaFernetKey, name: string): FernetKeyPair {
  const bytes = keyBytes(given as Partial<Record<'key' | 'secretKey', unknown>> | null, name);
  return {
    signingKey: createSecretKey(bytes.subarray(0, KEY_BYTES / 2)),
    encryptionKey: createSecretKey(bytes.subarray(KEY_BYTES / 2)),
  };
}

function keyBytes(given: Partial<Record<'key' | 'secretKey', unknown>> | null, name: string): Buffer {
  const { key, secretKey } = given ?? {};
  if (typeof secretKey === 'string' && secretKey !== '' && key === undefined) {
    return createHash('sha256').update(secretKey, 'utf8').digest();
  }
  const bytes = typeof key === 'string' && secretKey === undefined ? decode(key) : null;
  if (bytes?.length === KEY_BYTES) return bytes;
  throw new MfaError('MFA_MISCONFIGURED', {
    message:
      `${name} must be { key } with a Fernet key (32 bytes in base64url, 44 characters), ` +
      'or { secretKey } with the application secret that it was derived from: is its environment variable set?',
  });
}

/** Whether a value looks like a Fernet token: version 0x80 and a timestamp before the year 2106. */
export function isFernetShape(value: string): boolean {
  return value.startsWith('gAAAAA');
}

/**
 * Decrypts a Fernet token (specification version 0x80: HMAC-SHA-256, then AES-128-CBC).
 * @throws MfaError `MFA_SECRET_UNREADABLE`
 */
export function openFernet(token: string, pair: FernetKeyPair, freshness?: FernetFreshness): Buffer {
  const bytes = decode(token);
  if (bytes === null) throw unreadable('it is not base64url');
  const ciphertext = bytes.subarray(HEADER_BYTES, -MAC_BYTES);
  const whole = ciphertext.length > 0 && ciphertext.length % BLOCK_BYTES === 0;
  // The length is implied: a shorter token has no whole block of ciphertext.
  if (bytes[0] !== VERSION || bytes.length < HEADER_BYTES + MAC_BYTES || !whole)
    throw unreadable('it is truncated, or not a Fernet token');
  if (freshness) checkAge(bytes, freshness);
  const mac = createHmac('sha256', pair.signingKey).update(bytes.subarray(0, -MAC_BYTES)).digest();
  if (!timingSafeEqual(mac, bytes.subarray(-MAC_BYTES))) throw unreadable('it was altered, or made with another key');
  try {
    const decipher = createDecipheriv('aes-128-cbc', pair.encryptionKey, bytes.subarray(9, HEADER_BYTES));
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (cause) {
    throw unreadable('its padding is wrong', cause);
  }
}

function checkAge(bytes: Buffer, { nowMs, timeToLiveSeconds }: FernetFreshness): void {
  const ageSeconds = Math.floor(nowMs / 1000) - Number(bytes.readBigUInt64BE(1));
  if (ageSeconds > timeToLiveSeconds) throw unreadable('it is too old');
  if (ageSeconds < -MAX_SKEW_SECONDS) throw unreadable('it was made in the future');
}

/** Decodes padded base64url. Returns `null` if the encoding is not canonical (RFC 4648 §3.5). */
function decode(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  const spelled = bytes.toString('base64url');
  return spelled.padEnd(Math.ceil(spelled.length / 4) * 4, '=') === text ? bytes : null;
}
