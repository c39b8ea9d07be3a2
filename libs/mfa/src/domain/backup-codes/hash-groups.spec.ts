import { describe, expect, it, vi } from 'vitest';
import { encodePhc, parsePhc } from './phc.js';
import { groupsOfSet, hashGroupsOf, HYPHENATED, spell } from './hash-groups.js';

vi.mock('./phc.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('./phc.js')>();
  return { ...original, parsePhc: vi.fn<typeof original.parsePhc>(original.parsePhc) };
});

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

describe('the group of a set of our own', () => {
  const OWN = 'c1f0d7a2-6a52-4d0e-9d5b-2f6a1c3e4b5d';
  const IMPORTED = 'c1f0d7a2-6a52-8d0e-9d5b-2f6a1c3e4b5d';
  const phcOf = (fill: number, salt = 1, bytes = 32) =>
    encodePhc({
      memoryKib: 19_456,
      passes: 2,
      parallelism: 1,
      salt: Buffer.alloc(16, salt),
      hash: Buffer.alloc(bytes, fill),
    });
  const ten = Array.from({ length: 10 }, (_, index) => phcOf(index));
  const hashesOf = (setId: string, phcs: string[]) =>
    groupsOfSet(setId, codes(phcs)).flatMap((group) => group.targets.map((each) => each.hash.toString('hex')));

  it('S37 has every code of the set, for one parsed PHC string', () => {
    vi.mocked(parsePhc).mockClear();
    const own = hashesOf(OWN, ten);
    expect(parsePhc).toHaveBeenCalledTimes(1);
    expect(own).toHaveLength(10);
    expect(own).toEqual(hashesOf(IMPORTED, ten));
    expect(groupsOfSet(OWN, codes(ten))).toEqual(hashGroupsOf(codes(ten)));
  });

  it('is empty without codes, and without a usable one', () => {
    expect(groupsOfSet(null, [])).toEqual([]);
    expect(groupsOfSet(OWN, codes(['', '$', 'ABCDEFGH', '$argon2id$v=19$m=1,t=2,p=1$AAAA$AAAA']))).toEqual([]);
  });

  it.each([
    ['of another salt', phcOf(3, 2)],
    ['of other parameters', hash(1)],
    ['with a shorter hash', phcOf(3, 1, 16)],
    ['with a longer hash', phcOf(3, 1, 48)],
    ['of the hyphenated code', HYPHENATED + phcOf(3)],
    ['of no hash', phcOf(3).slice(0, -43)],
    ['of a hash that is cut off', phcOf(3).slice(0, -1)],
    ['of a hash with stray bits', phcOf(0).slice(0, -1) + 'B'],
    ['of a hash that is not base64', phcOf(3).slice(0, -3) + '-_*'],
    ['of no PHC string', 'ABCDEFGH'],
    ['of nothing', ''],
  ])('S37 leaves out a row %s, wherever it stands', (_, damaged) => {
    const expected = hashesOf(OWN, ten);
    for (const at of [0, 5, 10]) {
      const groups = groupsOfSet(OWN, codes(ten.toSpliced(at, 0, damaged)));
      expect(groups).toHaveLength(1);
      const hashes = groups[0]!.targets.map((each) => each.hash.toString('hex'));
      expect(hashes).toEqual(expected);
      expect(groups[0]!.targets.map(({ id }) => id)).not.toContain(`${at}`);
    }
  });

  it('S58 is empty when one hash costs more than a guess may', () => {
    expect(groupsOfSet(OWN, codes([hash(1, 256 * 1024, 10)]))).toEqual([]);
  });
});
