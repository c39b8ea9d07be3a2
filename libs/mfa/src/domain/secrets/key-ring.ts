import { createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';
import { isUint8Array } from 'node:util/types';
import { MfaError } from '../mfa-error.js';
import { keyWeakness } from './key-strength.js';

/** One entry of the option `keys`. */
export interface MfaKey {
  /** 1 to 32 characters of A–Z, a–z, 0–9, `_` and `-`. Every value that the key encrypts contains it. */
  id: string;
  /** At least 32 random characters (used as UTF-8, without decoding) or 32 random bytes. */
  secret: string | Buffer;
}

/** A key of the ring: one derived key for each purpose, so that none works for another purpose (RFC 8725 §3.12). */
// S8
export interface RingKey {
  readonly id: string;
  /** AES-256 key for stored values. */
  readonly sealKey: KeyObject;
  /** HMAC-SHA-256 key for mfa_tokens. */
  readonly tokenKey: KeyObject;
  /** HMAC-SHA-256 key for WebAuthn challenges. */
  readonly webAuthnKey: KeyObject;
  /** HMAC-SHA-256 key for recovery codes. */
  readonly recoveryKey: KeyObject;
  /** HMAC-SHA-256 key for trusted devices. */
  readonly deviceKey: KeyObject;
  /** HMAC-SHA-256 key for the user ids of purged users in the audit table. */
  readonly auditKey: KeyObject;
}

const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const REMEDY = `Make one with: node -e "console.log(require('node:crypto').randomBytes(32).toString('base64'))"`;

/**
 * The keys of the application: the first one encrypts, every one decrypts. It stores only derived keys.
 * @throws MfaError `MFA_MISCONFIGURED` for a missing, short, repeated or guessable key, with the entry and the remedy
 */
// S7
export class KeyRing {
  /** The key that encrypts and signs. */
  readonly newest: RingKey;
  private readonly keys: ReadonlyMap<string, RingKey>;

  constructor(keys: readonly MfaKey[]) {
    checkKeys(keys);
    const derived = keys.map(deriveKey);
    this.newest = derived[0]!;
    this.keys = new Map(derived.map((key) => [key.id, key]));
  }

  /** The key with this id. `null` = not in the ring. Deny then; do not try another key. */
  // S63
  byId(id: string): RingKey | null {
    return this.keys.get(id) ?? null;
  }

  /** All key ids, the newest first. */
  get ids(): readonly string[] {
    return [...this.keys.keys()];
  }
}

/** Compares two MACs as text in constant time. */
export function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Derives the keys by HKDF-SHA-256 (RFC 5869), without salt, with one label for each purpose. */
function deriveKey({ id, secret }: MfaKey): RingKey {
  const derive = (label: string) => createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', label, 32)));
  return {
    id,
    sealKey: derive('nestjs-mfa/seal/v1'),
    tokenKey: derive('nestjs-mfa/mfa-token/v1'),
    webAuthnKey: derive('nestjs-mfa/webauthn/v1'),
    recoveryKey: derive('nestjs-mfa/recovery/v1'),
    deviceKey: derive('nestjs-mfa/device/v1'),
    auditKey: derive('nestjs-mfa/audit/v1'),
  };
}

/** Checks types at run time, because the values come from configuration files and environment variables. */
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
  // The value is not quoted, because the two fields may be mixed up. The log would then contain the secret.
  if (typeof id !== 'string' || !KEY_ID.test(id)) {
    throw misconfigured(
      `keys[${index}].id must be 1 to 32 letters, digits, "_" or "-", for example the month "2026-11"`,
    );
  }
  if (earlier.includes(id)) {
    throw misconfigured(`keys[${index}].id repeats keys[${earlier.indexOf(id)}].id: give every key its own id`);
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
