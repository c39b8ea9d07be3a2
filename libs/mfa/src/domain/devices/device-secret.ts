import { createHash, createHmac } from 'node:crypto';
import type { MfaRandom } from '../random.js';
import type { RingKey } from '../secrets/key-ring.js';

/** 128 random bits that find the row, and 256 random bits that prove the device, each in base64url. */
const TOKEN = /^([\w-]{22})\.([\w-]{43})$/;
/** Bytes of the MAC in the name of a cookie. */
const NAME_BYTES = 16;

/** What a device presents: `<lookup id>.<secret>`. */
export interface DeviceToken {
  lookupId: string;
  secret: string;
}

/** A new token. */
// S110
export function newDeviceToken(random: MfaRandom): DeviceToken {
  return { lookupId: random.bytes(16).toString('base64url'), secret: random.bytes(32).toString('base64url') };
}

/** Reads the token of a device. `null` = the text is none. */
export function readDeviceToken(text: unknown): DeviceToken | null {
  const [, lookupId, secret] = (typeof text === 'string' && TOKEN.exec(text)) || [];
  return lookupId === undefined || secret === undefined ? null : { lookupId, secret };
}

export function deviceTokenText({ lookupId, secret }: DeviceToken): string {
  return `${lookupId}.${secret}`;
}

/** SHA-256 in hex, as lookup ids and secrets are stored. They are random, so a fast hash is enough. */
// S110
export function deviceHash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The secret that follows a secret: HMAC-SHA-256 in base64url. It is derived, so that all tabs that present one secret
 * receive the same next one.
 */
// S112
export function nextDeviceSecret(deviceId: string, secret: string, key: RingKey): string {
  return mac(key, 'next', deviceId, secret).toString('base64url');
}

/** Rotations of one device that may happen while one login is under way. */
const MOST_ROTATIONS = 32;

/** Whether the current secret was derived from this one: the browser has sent it before other tabs rotated it. */
// S112
export function isEarlierSecret(device: { id: string; secretHash: string }, secret: string, key: RingKey): boolean {
  let next = secret;
  for (let steps = 0; steps < MOST_ROTATIONS; steps += 1) {
    next = nextDeviceSecret(device.id, next, key);
    if (deviceHash(next) === device.secretHash) return true;
  }
  return false;
}

/** The part of the cookie's name that belongs to the user. It does not reveal the user's id. */
// S110
export function deviceCookieSuffix(userId: string, key: RingKey): string {
  return mac(key, 'cookie', userId).subarray(0, NAME_BYTES).toString('base64url');
}

/**
 * The version of the user's password as it is stored: HMAC-SHA-256 in base64url.
 * @param version `null` = the user has no password
 */
// S111
export function credentialVersionMac(userId: string, version: string | null, key: RingKey): string {
  return mac(key, 'credential', userId, version).toString('base64url');
}

/** JSON separates the parts, and the first part the uses of the key. */
function mac({ deviceKey }: RingKey, ...parts: (string | null)[]): Buffer {
  return createHmac('sha256', deviceKey).update(JSON.stringify(parts)).digest();
}
