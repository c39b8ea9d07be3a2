import { createCipheriv, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { SystemRandom } from '../random.js';
import { KeyRing } from './key-ring.js';
import { SecretBox, type SealContext, type SealedFormat } from './secret-box.js';

const random = new SystemRandom();
const oldKey = { id: '2025', secret: randomBytes(32) };
const newKey = { id: '2026', secret: randomBytes(32) };
const context: SealContext = { purpose: 'totp-secret', userId: 'ann', credentialId: 'c1' };
const plaintext = Buffer.from('12345678901234567890');

let ring: KeyRing;
let box: SecretBox;
let sealed: string;
beforeEach(() => {
  ring = new KeyRing([newKey, oldKey]);
  box = new SecretBox(ring, random);
  sealed = box.seal(plaintext, context);
});

const unreadable = (message: unknown = expect.any(String)) =>
  expect.objectContaining({ code: 'MFA_SECRET_UNREADABLE', message });

/** The sealed value with its dot-separated parts changed. */
const changed = (change: (parts: string[]) => unknown) => {
  const parts = sealed.split('.');
  change(parts);
  return parts.join('.');
};

describe('SecretBox', () => {
  it('opens what it sealed, with the newest key and with an older one', () => {
    const before = new SecretBox(new KeyRing([oldKey]), random).seal(plaintext, context);
    expect([box.open(sealed, context), box.open(before, context)]).toEqual([plaintext, plaintext]);
    expect([box.originOf(sealed), box.originOf(before)]).toEqual([
      { format: 'v1', keyId: '2026' },
      { format: 'v1', keyId: '2025' },
    ]);
    expect([box.isCurrent(sealed), box.isCurrent(before)]).toEqual([true, false]);
  });

  it('S1 shows nothing of the plaintext', () => {
    expect(sealed).toMatch(/^v1\.2026\.[\w-]{16}\.[\w-]{27}\.[\w-]{22}$/);
    const spellings = (['latin1', 'hex', 'base64', 'base64url'] as const).map((name) => plaintext.toString(name));
    expect(spellings.filter((spelling) => sealed.includes(spelling))).toEqual([]);
  });

  it.each([
    ['another user', { userId: 'bob' }],
    ['another credential', { credentialId: 'c2' }],
    ['another purpose', { purpose: 'backup-code' }],
    ['shifted fields', { userId: 'ann","c1', credentialId: '' }],
    ['a look-alike user', { userId: 'ann ' }],
  ])('S2 does not open for %s', (_, change) => {
    expect(() => box.open(sealed, { ...context, ...change } as SealContext)).toThrow(
      unreadable(expect.stringContaining('altered, moved from another row, or sealed with another secret')),
    );
  });

  it('S3 does not open with any one bit flipped', () => {
    const [version, keyId, ...encoded] = sealed.split('.') as [string, string, ...string[]];
    const parts = encoded.map((part) => Buffer.from(part, 'base64url'));
    for (const part of parts) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        part[bit >> 3]! ^= 1 << (bit & 7);
        const damaged = [version, keyId, ...parts.map((bytes) => bytes.toString('base64url'))].join('.');
        part[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => box.open(damaged, context)).toThrow(unreadable());
      }
    }
  });

  it('S3 does not open under the id of another known key', () => {
    expect(() =>
      box.open(
        changed((parts) => (parts[1] = '2025')),
        context,
      ),
    ).toThrow(unreadable());
  });

  it.each([4, 8, 12, 13, 14, 15])('S4 refuses a tag cut to %i bytes', (length) => {
    const cut = changed((parts) => {
      parts[4] = Buffer.from(parts[4]!, 'base64url').subarray(0, length).toString('base64url');
    });
    expect(() => box.open(cut, context)).toThrow(unreadable(expect.stringContaining('damaged')));
  });

  it('S5 never repeats a nonce in 100,000 values', () => {
    const one = Buffer.from('x');
    const nonces = new Set(Array.from({ length: 100_000 }, () => box.seal(one, context).split('.')[2]));
    expect(nonces.size).toBe(100_000);
  });

  it('S8 does not open what was sealed with the token key', () => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', ring.newest.tokenKey, nonce);
    cipher.setAAD(Buffer.from(JSON.stringify(['v1', '2026', 'totp-secret', 'ann', 'c1'])));
    const parts = [nonce, Buffer.concat([cipher.update(plaintext), cipher.final()]), cipher.getAuthTag()];
    const forged = ['v1', '2026', ...parts.map((part) => part.toString('base64url'))].join('.');
    expect(() => box.open(forged, context)).toThrow(unreadable());
  });

  it('S63 does not open with a key id it does not know, and names it', () => {
    const alone = new SecretBox(new KeyRing([oldKey]), random);
    expect(() => alone.open(sealed, context)).toThrow(unreadable(expect.stringContaining('"2026"')));
    // Same secret under another id: the right key is there, and is not tried.
    const renamed = new SecretBox(new KeyRing([{ ...newKey, id: 'renamed' }]), random);
    expect(() => renamed.open(sealed, context)).toThrow(unreadable());
  });

  it.each([
    // A valid token of the Fernet specification (generate.json).
    ['Fernet', 'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=='],
    ['a later version', 'v2.2026.AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA'],
    ['plain base32', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'],
    ['nothing', ''],
    ['null', null as never],
  ])('S10 refuses %s as of an unknown format', (_, value) => {
    expect(() => box.open(value, context)).toThrow(unreadable(expect.stringContaining('unknown or not enabled')));
  });

  it('S63 names no key of a later version', () => {
    expect(box.originOf(sealed.replace('v1', 'v2')).keyId).toBeNull();
  });

  it.each<[string, (parts: string[]) => unknown]>([
    ['no part', (parts) => parts.splice(1, 4, '')],
    ['a part too few', (parts) => parts.pop()],
    ['a part too many', (parts) => parts.push('AA')],
    ['padding', (parts) => (parts[4] += '==')],
    ['standard base64', (parts) => (parts[2] = '++++////++++////')],
    ['stray bits', (parts) => (parts[4] = `${parts[4]!.slice(0, -1)}${parts[4]!.endsWith('B') ? 'C' : 'B'}`)],
    ['white space', (parts) => (parts[3] = ` ${parts[3]}`)],
    ['a short nonce', (parts) => (parts[2] = parts[2]!.slice(0, 12))],
    ['an impossible key id', (parts) => (parts[1] = '/2026')],
    ['a key id that ends impossibly', (parts) => (parts[1] = '2026/')],
    ['an over-long key id', (parts) => (parts[1] = 'x'.repeat(33))],
  ])('refuses %s', (_, change) => {
    const value = changed(change);
    expect(() => box.open(value, context)).toThrow(unreadable(expect.stringContaining('damaged')));
    expect(box.originOf(value)).toEqual({ format: 'unknown', keyId: null });
    expect(box.isCurrent(value)).toBe(false);
  });

  it('S64 puts neither user nor ciphertext nor plaintext into its errors', () => {
    const telling = ['somebody-else', 'c1', plaintext.toString(), ...sealed.split('.').slice(2)];
    const tellsNothing = ({ message, cause }: Error) =>
      !telling.some((text) => `${message} ${String(cause)}`.includes(text));
    expect(() => box.open(sealed, { ...context, userId: 'somebody-else' })).toThrow(expect.toSatisfy(tellsNothing));
  });

  it('reads further formats that it is given, and makes their failures its own', () => {
    const open = (text: string) => {
      if (text === 'x:bad') throw new RangeError('bad');
      return Buffer.from(text);
    };
    const format: SealedFormat = { recognises: (text) => text.startsWith('x:'), open };
    const reader = new SecretBox(ring, random, [format]);
    expect(reader.open('x:1', context).toString()).toBe('x:1');
    expect(reader.open(sealed, context)).toEqual(plaintext);
    expect(() => reader.open('x:bad', context)).toThrow(unreadable(expect.stringMatching(/its format failed$/)));
    expect(reader.originOf('x:1')).toEqual({ format: 'unknown', keyId: null });
  });
});
