import { describe, expect, it } from 'vitest';
import { encodeCbor, type CborValue } from './cbor.js';

describe('encodeCbor', () => {
  // Examples of RFC 8949, appendix A, and the limits of each length.
  it.each<[CborValue, string]>([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [256, '190100'],
    [65535, '19ffff'],
    [1_000_000, '1a000f4240'],
    [-1, '20'],
    [-257, '390100'],
    ['', '60'],
    ['ü', '62c3bc'],
    [Buffer.from('01020304', 'hex'), '4401020304'],
    [[1, [2, 3]], '82018202' + '03'],
    [
      new Map<number | string, CborValue>([
        [1, 2],
        ['a', []],
      ]),
      'a20102616180',
    ],
  ])('encodes %o as %s', (value, hex) => {
    expect(encodeCbor(value).toString('hex')).toBe(hex);
  });
});
