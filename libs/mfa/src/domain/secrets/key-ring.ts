import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { isUint8Array } from 'node:util/types';
import { MfaError } from '../mfa-error.js';
import { keyWeakness } from './key-strength.js';

/** One entry of the option `keys`. */
export interface MfaKey {
  /** 1 to 32 of A–Z, a–z, 0–9, `_` and `-`; stands in every value sealed with the key. */
  id: string;
  /** At least 32 random characters (taken as UTF-8, never decoded) or 32 random bytes. */
  secret: string | Buffer;
}

/** A key in its two roles; neither key works in the other's place (RFC 8725 §3.12). */
// S8
export interface RingKey {
  readonly id: string;
  /** AES-256 key for what is stored. */
  readonly sealKey: KeyObject;
  /** HMAC-SHA-256 key for mfa_tokens. */
  readonly tokenKey: KeyObject;
}

const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const REMEDY = `Make one with: node -e "console.log(require('node:crypto').randomBytes(32).toString('base64'))"`;

/**
 * The keys of the application: the first one writes, all can read. Keeps derived keys only.
 * Throws `MFA_MISCONFIGURED`, naming the entry and the remedy, for a missing, short, repeated or
 * guessable key.
 */
// S7
export class KeyRing {
  /** The key that seals and signs. */
  readonly newest: RingKey;
  private readonly keys: ReadonlyMap<string, RingKey>;

  constructor(keys: readonly MfaKey[]) {
    checkKeys(keys);
    const derived = keys.map(deriveKey);
    this.newest = derived[0]!;
    this.keys = new Map(derived.map((key) => [key.id, key]));
  }

  /** The key of that id; `null` when the ring has none: deny then, and never try another. */
  // S63
  byId(id: string): RingKey | null {
    return this.keys.get(id) ?? null;
  }

  /** All key ids, the newest first. */
  get ids(): readonly string[] {
    return [...this.keys.keys()];
  }
}

/** HKDF-SHA-256 (RFC 5869) without salt, one label a role. */
function deriveKey({ id, secret }: MfaKey): RingKey {
  const derive = (label: string) => createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', label, 32)));
  return { id, sealKey: derive('nestjs-mfa/seal/v1'), tokenKey: derive('nestjs-mfa/mfa-token/v1') };
}

/** The values come from configuration files and environment variables, so their types prove nothing. */
function checkKeys(keys: unknown): asserts keys is readonly MfaKey[] {
  if (!Array.isArray(keys) || keys.length === 0) {
    throw misconfigured(`keys must be a list of at least one { id, secret }. ${REMEDY}`);
  }
  const ids: string[] = [];
  const secrets: Buffer[] = [];
  keys.forEach((key: Partial<Record<keyof MfaKey, unknown>> | null | undefined, index) => {
    ids.push(checkId(key?.id, index, ids));
    // For the compiler: a missing entry was refused for its id.
    secrets.push(checkSecret(key?.secret, index, secrets));
  });
}

function checkId(id: unknown, index: number, earlier: readonly string[]): string {
  // Never quoted: whoever mixed up the two fields would find the secret in the log.
  if (typeof id !== 'string' || !KEY_ID.test(id)) {
    throw misconfigured(
      `keys[${index}].id must be 1 to 32 letters, digits, "_" or "-", for example the month "2026-11"`,
    );
  }
  if (earlier.includes(id)) {
    throw misconfigured(`keys[${index}].id repeats keys[${earlier.indexOf(id)}].id: give every key an id of its own`);
  }
  return id;
}

function checkSecret(secret: unknown, index: number, earlier: readonly Buffer[]): Buffer {
  const name = `keys[${index}].secret`;
  if (secret === undefined || secret === null || secret === '') {
    throw misconfigured(`${name} is missing: is its environment variable set? ${REMEDY}`);
  }
  if (typeof secret !== 'string' && !isUint8Array(secret)) {
    throw misconfigured(`${name} must be a string or a Buffer. ${REMEDY}`);
  }
  const weakness = keyWeakness(secret);
  if (weakness !== null) throw misconfigured(`${name} ${weakness}. ${REMEDY}`);

  const bytes = Buffer.from(secret);
  const same = earlier.findIndex((other) => other.equals(bytes));
  if (same >= 0) throw misconfigured(`${name} repeats keys[${same}].secret: a new key needs a new secret. ${REMEDY}`);
  return bytes;
}

function misconfigured(message: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', { message });
}
