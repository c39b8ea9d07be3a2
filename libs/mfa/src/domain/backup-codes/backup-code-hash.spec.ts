import argon2 from 'argon2';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { SystemRandom } from '../random.js';
import { BackupCodeHasher, type HashedCode } from './backup-code-hash.js';
import { HashQueue } from './hash-queue.js';
import { encodePhc, parsePhc } from './phc.js';

/** Set ids: random, and as an import makes them. */
const OWN = 'c1f0d7a2-6a52-4d0e-9d5b-2f6a1c3e4b5d';
const IMPORTED = 'c1f0d7a2-6a52-8d0e-9d5b-2f6a1c3e4b5d';

const CODES = ['ABCDEFGH', 'JKLMNPQR', 'STUVWXYZ'];
const hasher = new BackupCodeHasher(new HashQueue({ concurrency: 2, maxWaiting: 32 }), new SystemRandom());

const stored = async (codes = CODES): Promise<HashedCode[]> =>
  (await hasher.hashSet(codes)).map((phc, index) => ({ id: `id${index}`, phc }));

/** As another system may have made them: each with a salt of its own, cheap here. */
const imported = async (codes: string[]): Promise<HashedCode[]> =>
  Promise.all(
    codes.map(async (code, index) => ({
      id: `id${index}`,
      phc: await argon2.hash(code, { memoryCost: 64, timeCost: 2, parallelism: 1 }),
    })),
  );

let argon2Calls: MockInstance<typeof argon2.hash>;
beforeEach(() => {
  argon2Calls = vi.spyOn(argon2, 'hash');
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('hashSet', () => {
  it('S36 makes Argon2id hashes of 19 MiB, two passes and one lane, that argon2 itself verifies', async () => {
    const phcs = await hasher.hashSet(CODES);
    for (const phc of phcs) expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(phcs.map((phc) => parsePhc(phc)?.hash.length)).toEqual([32, 32, 32]);
    await expect(argon2.verify(phcs[1]!, 'JKLMNPQR')).resolves.toBe(true);
  });

  it('S37 uses one fresh 16-byte salt a set', async () => {
    const salts = [...(await hasher.hashSet(CODES)), ...(await hasher.hashSet(CODES))].map(
      (phc) => parsePhc(phc)!.salt,
    );
    expect(salts.map((salt) => salt.length)).toEqual(Array(6).fill(16));
    expect(new Set(salts.map((salt) => salt.toString('hex'))).size).toBe(2);
  });

  it('S58 is turned away as a whole or not at all', async () => {
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 0 });
    const tight = new BackupCodeHasher(queue, new SystemRandom());
    const first = tight.hashSet(CODES);
    await expect(tight.hashSet(CODES)).rejects.toMatchObject({ code: 'MFA_BUSY' });
    await expect(tight.match('ABCDEFGH', [], null)).rejects.toMatchObject({ code: 'MFA_BUSY' });
    await expect(first).resolves.toHaveLength(3);
    expect(argon2Calls).toHaveBeenCalledTimes(3);
  });
});

describe('match', () => {
  it.each(CODES.map((code, index) => [code, `id${index}`]))('finds %s as %s', async (code, id) => {
    await expect(hasher.match(code, await stored(), OWN)).resolves.toBe(id);
  });

  it('finds nothing for a code of another set or another spelling', async () => {
    const hashes = await stored();
    await expect(hasher.match('ZZZZZZZZ', hashes, OWN)).resolves.toBeNull();
    await expect(hasher.match('ABCD-EFGH', hashes, OWN)).resolves.toBeNull();
  });

  it.each([
    ['the first code', 'ABCDEFGH', 3],
    ['the last code', 'STUVWXYZ', 3],
    ['a wrong code', 'ZZZZZZZZ', 3],
    ['a wrong code, one left', 'ZZZZZZZZ', 1],
    ['any code, none left', 'ABCDEFGH', 0],
  ])('S37 costs one Argon2 of the full price for %s', async (_, code, left) => {
    const hashes = (await stored()).slice(0, left);
    argon2Calls.mockClear();
    await hasher.match(code, hashes, OWN);
    expect(argon2Calls).toHaveBeenCalledTimes(1);
    expect(argon2Calls.mock.calls[0]![1]).toMatchObject({
      memoryCost: 19456,
      timeCost: 2,
      parallelism: 1,
      hashLength: 32,
    });
  });

  it('returns the first of two codes that have the same hash', async () => {
    const once = await stored(['ABCDEFGH']);
    const twice = [...once, { ...once[0]!, id: 'later' }];
    await expect(hasher.match('ABCDEFGH', twice, OWN)).resolves.toBe('id0');
  });

  it('S37 costs one Argon2 when no hash is usable, and matches none of them', async () => {
    const hashes = ['', 'ABCDEFGH', '$argon2id$v=19$m=999999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA'];
    await expect(
      hasher.match(
        'ABCDEFGH',
        hashes.map((phc, index) => ({ id: `${index}`, phc })),
        OWN,
      ),
    ).resolves.toBeNull();
    expect(argon2Calls).toHaveBeenCalledTimes(1);
  });

  it('does not take the zero hash of the dummy for a match', async () => {
    const zero = encodePhc({
      memoryKib: 19456,
      passes: 2,
      parallelism: 1,
      salt: Buffer.alloc(16),
      hash: Buffer.alloc(32),
    });
    await expect(hasher.match('ABCDEFGH', [{ id: 'zero', phc: zero }], OWN)).resolves.toBeNull();
  });

  it('costs an imported set one Argon2 for each salt', async () => {
    const hashes = await imported(CODES);
    argon2Calls.mockClear();
    await expect(hasher.match('JKLMNPQR', hashes, IMPORTED)).resolves.toBe('id1');
    expect(argon2Calls).toHaveBeenCalledTimes(3);
  });

  it('S58 never costs more than ten', async () => {
    const hashes = await imported(Array.from({ length: 12 }, (_, index) => `CODE${index}`));
    argon2Calls.mockClear();
    await expect(hasher.match('CODE11', hashes, IMPORTED)).resolves.toBeNull();
    expect(argon2Calls).toHaveBeenCalledTimes(10);
  });

  it('does not confuse hashes of one salt and other parameters', async () => {
    const salt = Buffer.from('0123456789abcdef');
    const make = async (memoryCost: number, id: string) => ({
      id,
      phc: await argon2.hash(`CODE-${id}`, { memoryCost, timeCost: 2, parallelism: 1, salt }),
    });
    const hashes = [await make(64, 'a'), await make(128, 'b')];
    await expect(hasher.match('CODE-b', hashes, IMPORTED)).resolves.toBe('b');
    await expect(hasher.match('CODE-a', hashes, IMPORTED)).resolves.toBe('a');
  });
});
