import { describe, expect, it } from 'vitest';
import { encodePhc } from './phc.js';
import { hashGroupsOf, HYPHENATED, spell } from './hash-groups.js';

const hash = (salt: number, memoryKib = 65_536, passes = 3) =>
  encodePhc({ memoryKib, passes, parallelism: 4, salt: Buffer.alloc(16, salt), hash: Buffer.alloc(32, 1) });
const codes = (phcs: string[]) => phcs.map((phc, index) => ({ id: `${index}`, phc }));
const targets = (phcs: string[]) => hashGroupsOf(codes(phcs)).flatMap((group) => group.targets.map(({ id }) => id));

describe('the spelling that was hashed', () => {
  it('is the normalised code, or the same with its hyphen', () => {
    expect(spell('ABCD1234', 'plain')).toBe('ABCD1234');
    expect(spell('ABCD1234', 'hyphenated')).toBe('ABCD-1234');
  });

  it('is kept with the hash', () => {
    const [plain, hyphenated] = hashGroupsOf(codes([hash(1), HYPHENATED + hash(2)]));
    expect([plain!.spelling, hyphenated!.spelling]).toEqual(['plain', 'hyphenated']);
    expect(hyphenated!.parameters).toMatchObject({ memoryKib: 65_536, passes: 3, parallelism: 4 });
  });

  it('makes two groups of one salt', () => {
    expect(hashGroupsOf(codes([hash(1), HYPHENATED + hash(1), hash(1)]))).toHaveLength(2);
  });

  it.each(['hyphenated:', 'hyphenated:hyphenated:', 'Hyphenated:', 'other:'])('is not said by %j', (mark) => {
    expect(hashGroupsOf(codes([mark === 'hyphenated:' ? mark : mark + hash(1)]))).toEqual([]);
  });
});

describe('S58 what one guess may cost', () => {
  it('fits ten hashes of the defaults of argon2-cffi', () => {
    expect(targets(Array.from({ length: 10 }, (_, salt) => hash(salt)))).toHaveLength(10);
  });

  it('is never more than ten hashes', () => {
    expect(targets(Array.from({ length: 12 }, (_, salt) => hash(salt, 8 * 4, 1)))).toHaveLength(10);
  });

  it('is never more than 2,500,000 KiB × passes', () => {
    const dear = 1_000_000 / 10;
    expect(targets([hash(1, dear, 10), hash(2, dear, 10), hash(3, dear, 5)])).toEqual(['0', '1', '2']);
    expect(targets([hash(1, dear, 10), hash(2, dear, 10), hash(3, dear + 1, 5)])).toEqual(['0', '1']);
  });

  it('leaves out what is too dear, and keeps what still fits after it', () => {
    expect(targets([hash(1, 200_000, 10), hash(2, 200_000, 10), hash(3)])).toEqual(['0', '2']);
  });

  it('counts codes of one salt once', () => {
    expect(targets(Array.from({ length: 20 }, () => hash(1, 200_000, 10)))).toHaveLength(20);
  });
});
