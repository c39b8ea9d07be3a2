import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyWeakness } from './key-strength.js';

const sequence = Buffer.from(Array.from({ length: 32 }, (_, index) => index));

/** 34 bytes with so many neighbours that differ by one, and jumps for the rest. */
function counting(steps: number): Buffer {
  const jumps = Array.from({ length: 33 - steps }, (_, index) => (71 * (index + 1)) % 251);
  return Buffer.from([...Array.from({ length: steps + 1 }, (_, index) => index), ...jumps]);
}

describe('keyWeakness', () => {
  it.each([
    ['31 characters', randomBytes(24).toString('base64').slice(0, 31), 'is shorter than 32 characters'],
    ['31 bytes', randomBytes(31), 'is shorter than 32 bytes'],
    ['a trailing newline', `${randomBytes(32).toString('base64')}\n`, 'begins or ends with white space'],
    ['one letter', 'a'.repeat(64), 'has fewer than 8 different characters'],
    ['zero bytes', Buffer.alloc(32), 'has fewer than 8 different bytes'],
    ['zero bytes in base64', Buffer.alloc(32).toString('base64'), 'has fewer than 8 different characters'],
    ['few letters', 'abcabcabdabcabeabcabfabcabgabcabc', 'has fewer than 8 different characters'],
    ['a repeated word', 'tr0ub4dor&3'.repeat(4), 'repeats one pattern'],
    ['a repeated word, cut off', 'tr0ub4dor&3'.repeat(4).slice(0, 36), 'repeats one pattern'],
    ['repeated bytes', Buffer.from('9f3c1b7a5d2e8460'.repeat(4), 'hex'), 'repeats one pattern'],
    ['repeated bytes in hex', '9f3c1b7a5d2e84609f3c1b7a5d2e84609f3c1b7a5d2e8460', 'repeats one pattern'],
    [
      'repeated bytes in base64',
      Buffer.from('9f3c1b7a5d2e8460'.repeat(4), 'hex').toString('base64'),
      'repeats one pattern',
    ],
    ['a word that is there twice', 'q7Gx0hXGJ2rT5bUe'.repeat(2), 'repeats one pattern'],
    ['bytes of which two thirds count', counting(22), 'is a sequence'],
    ['counting bytes', sequence, 'is a sequence'],
    ['counting bytes in base64', sequence.toString('base64'), 'is a sequence'],
    ['counting bytes in hex', sequence.toString('hex'), 'is a sequence'],
    ['the alphabet', 'abcdefghijklmnopqrstuvwxyz789456', 'is a sequence'],
  ])('S7 refuses %s', (_, secret, weakness) => {
    expect(keyWeakness(secret)).toBe(weakness);
  });

  it.each([
    'change-me-change-me-please-0987654',
    'CHANGE_THIS_TO_A_LONG_RANDOM_VALUE',
    'your-256-bit-secret-your-256-bit-secret',
    'a-string-secret-at-least-256-bits-long',
    'This is my super secret key, honestly!',
    'secretsecretsecret-and-then-some-more',
    'example-key-for-documentation-7Yq2',
    'DO NOT USE THIS VALUE. INSTEAD, CREATE A COMPLEX SECRET AND KEEP IT SAFE OUTSIDE OF THE SOURCE CODE.',
    'django-insecure-8h3k)2v!x@q9z&m4n7b1',
    '0123456789abcdef0123456789ABCDEF-and-more',
    'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
    'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXQ',
    'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
    'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=',
    '09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7',
    Buffer.from('please change me before production').toString('base64'),
    Buffer.from('please change me before production!').toString('base64'),
    Buffer.from('please change me before production!!').toString('base64'),
    Buffer.from('please change me before production').toString('base64url'),
    Buffer.from('please change me before production!').toString('hex'),
    Buffer.from('please change me before production!'),
  ])('S7 refuses the well-known %s', (secret) => {
    expect(keyWeakness(secret)).toBe('is or contains a well-known example');
  });

  it.each([
    ['base64 of 32 bytes', () => randomBytes(32).toString('base64')],
    ['base64url of 24 bytes', () => randomBytes(24).toString('base64url')],
    ['hex of 16 bytes', () => randomBytes(16).toString('hex')],
    ['hex of 32 bytes', () => randomBytes(32).toString('hex')],
    ['32 bytes', () => randomBytes(32)],
  ])('finds nothing wrong with random %s', (_, make) => {
    const refused = Array.from({ length: 3000 }, () => keyWeakness(make())).filter((weakness) => weakness !== null);
    expect(refused).toEqual([]);
  });

  it('finds nothing wrong with bytes of which fewer than two thirds count', () => {
    expect(keyWeakness(counting(21))).toBeNull();
  });

  it('finds nothing wrong with a long phrase of random words', () => {
    expect(keyWeakness('gravel-otter-plinth-vexing-ochre-tumble-quartz')).toBeNull();
  });
});
