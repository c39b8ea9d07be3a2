import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { SystemRandom } from '../random.js';
import { KeyRing } from '../secrets/key-ring.js';
import {
  credentialVersionMac,
  deviceCookieSuffix,
  deviceHash,
  deviceTokenText,
  isEarlierSecret,
  newDeviceToken,
  nextDeviceSecret,
  readDeviceToken,
} from './device-secret.js';

const SECRET = 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=';
const OTHER = 'Zk3vR8nQ1tYw5xBc7dFg9hJk2mNp4qSt6uVw8yZa0bE=';
const { newest: key } = new KeyRing([{ id: 'k1', secret: SECRET }]);
const { newest: other } = new KeyRing([{ id: 'k1', secret: OTHER }]);
const TOKEN = { lookupId: 'l'.repeat(22), secret: 's'.repeat(43) };

/** Written once more, by the design. */
const mac = (...parts: unknown[]) => {
  const deviceKey = Buffer.from(hkdfSync('sha256', SECRET, '', 'nestjs-mfa/device/v1', 32));
  return createHmac('sha256', deviceKey).update(JSON.stringify(parts)).digest();
};

describe('the token of a device', () => {
  it('S110 has 128 random bits that find it, and 256 others that prove it', () => {
    const bytes = vi.fn<(length: number) => Buffer>((length) => Buffer.alloc(length, length));
    const token = newDeviceToken({ bytes, id: () => 'unused' });
    expect(bytes.mock.calls).toEqual([[16], [32]]);
    expect(Buffer.from(token.lookupId, 'base64url')).toEqual(Buffer.alloc(16, 16));
    expect(Buffer.from(token.secret, 'base64url')).toEqual(Buffer.alloc(32, 32));
  });

  it('is read as it was written', () => {
    for (const token of [TOKEN, newDeviceToken(new SystemRandom()), { ...TOKEN, secret: `-_${'A'.repeat(41)}` }]) {
      expect(readDeviceToken(deviceTokenText(token))).toEqual(token);
    }
    expect(deviceTokenText(TOKEN)).toBe(`${TOKEN.lookupId}.${TOKEN.secret}`);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['a number', 7],
    ['a list with a token', [deviceTokenText(TOKEN)]],
    ['an object that is a token as text', { toString: () => deviceTokenText(TOKEN) }],
    ['a lookup id without a secret', TOKEN.lookupId],
    ['an empty secret', `${TOKEN.lookupId}.`],
    ['an empty lookup id', `.${TOKEN.secret}`],
    ['a short lookup id', deviceTokenText({ ...TOKEN, lookupId: 'l'.repeat(21) })],
    ['a long lookup id', deviceTokenText({ ...TOKEN, lookupId: 'l'.repeat(23) })],
    ['a short secret', deviceTokenText({ ...TOKEN, secret: 's'.repeat(42) })],
    ['a long secret', deviceTokenText({ ...TOKEN, secret: 's'.repeat(44) })],
    ['another separator', deviceTokenText(TOKEN).replace('.', ':')],
    ['a character that is not base64url', deviceTokenText({ ...TOKEN, secret: `+${'s'.repeat(42)}` })],
    ['a third part', `${deviceTokenText(TOKEN)}.x`],
    ['a space in front', ` ${deviceTokenText(TOKEN)}`],
    ['a line break at the end', `${deviceTokenText(TOKEN)}\n`],
  ])('is not %s', (_, text) => {
    expect(readDeviceToken(text)).toBeNull();
  });
});

describe('the values of a device', () => {
  it('S110 are stored as SHA-256 in hex', () => {
    expect(deviceHash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(deviceHash(TOKEN.secret)).toBe(createHash('sha256').update(TOKEN.secret).digest('hex'));
  });

  it('S112 derive the next secret from the device, the current secret and the key', () => {
    const next = nextDeviceSecret('d-1', TOKEN.secret, key);
    expect(next).toBe(mac('next', 'd-1', TOKEN.secret).toString('base64url'));
    expect(readDeviceToken(deviceTokenText({ ...TOKEN, secret: next }))).toEqual({ ...TOKEN, secret: next });
    expect(nextDeviceSecret('d-1', TOKEN.secret, key)).toBe(next);
    const others = [
      nextDeviceSecret('d-2', TOKEN.secret, key),
      nextDeviceSecret('d-1', next, key),
      nextDeviceSecret('d-1', TOKEN.secret, other),
    ];
    expect(new Set([next, ...others]).size).toBe(4);
  });

  it('S112 recognise a secret from which the current one was derived in 1 to 32 rotations', () => {
    let current = TOKEN.secret;
    const isEarlier = (id = 'd-1') => isEarlierSecret({ id, secretHash: deviceHash(current) }, TOKEN.secret, key);
    expect(isEarlier()).toBe(false);
    for (let rotations = 1; rotations <= 32; rotations += 1) {
      current = nextDeviceSecret('d-1', current, key);
      expect(isEarlier()).toBe(true);
      expect(isEarlier('d-2')).toBe(false);
    }
    current = nextDeviceSecret('d-1', current, key);
    expect(isEarlier()).toBe(false);
  });

  it('S110 name the cookie by 16 bytes of a MAC of the user id', () => {
    const name = deviceCookieSuffix('ann', key);
    expect(Buffer.from(name, 'base64url')).toEqual(mac('cookie', 'ann').subarray(0, 16));
    expect(new Set([name, deviceCookieSuffix('Ann', key), deviceCookieSuffix('ann', other)]).size).toBe(3);
  });

  it('S111 keep the version of the password as a MAC, one for each user, version and key', () => {
    const version = credentialVersionMac('ann', 'v1', key);
    expect(version).toBe(mac('credential', 'ann', 'v1').toString('base64url'));
    expect(version.length).toBeLessThanOrEqual(64);
    const others = [
      credentialVersionMac('bob', 'v1', key),
      credentialVersionMac('ann', 'v2', key),
      credentialVersionMac('ann', null, key),
      credentialVersionMac('ann', 'null', key),
      credentialVersionMac('ann', 'v1', other),
    ];
    expect(new Set([version, ...others]).size).toBe(6);
  });

  it('never have the same MAC for two uses, or for parts that are cut elsewhere', () => {
    const macs = [
      nextDeviceSecret('ann', 'v1', key),
      credentialVersionMac('ann', 'v1', key),
      nextDeviceSecret('annv', '1', key),
      credentialVersionMac('annv', '1', key),
      credentialVersionMac('ann","v1', null, key),
    ];
    expect(new Set(macs).size).toBe(macs.length);
    expect(credentialVersionMac('ann', null, key)).not.toContain(deviceCookieSuffix('ann', key));
  });
});
