import { describe, expect, it } from 'vitest';
import { encodePhc } from '../domain/backup-codes/phc.js';
import { readPlan } from './read-plan.js';
import { readUser, type SourceUser } from './read-user.js';

const NOW = 1_800_000_000_000;
const STEP = NOW / 30_000;
const from = { table: 'users', columns: { userId: 'id', secret: 'totp', enabled: 'on' } };
const codes = { table: 'codes', columns: { userId: 'u', hash: 'h', usedAt: 'x' } };
const usage = { table: 'usage', columns: { userId: 'u', window: 'w' } };
const plan = { from, backupCodes: codes, usage };

const row = { userId: 'ada', secret: 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ', enabled: true };
const read = (source: Partial<SourceUser>, changes: object = {}) =>
  readUser({ row, codes: [], usage: [], ...source }, readPlan({ ...plan, ...changes }), NOW);
const userOf = async (source: Partial<SourceUser>, changes?: object) => {
  const result = await read(source, changes);
  if (!('user' in result)) throw new Error(result.skipped);
  return result.user;
};
const hash = (salt: number, memoryKib = 65_536, passes = 3) =>
  encodePhc({ memoryKib, passes, parallelism: 4, salt: Buffer.alloc(16, salt), hash: Buffer.alloc(16, 1) });

describe('a user of the source', () => {
  it.each([
    [{ userId: ' ada' }, 'user-id-unusable'],
    [{ userId: '' }, 'user-id-unusable'],
    [{ userId: 2 ** 60 }, 'user-id-unusable'],
    [{ enabled: false }, 'not-enabled'],
    [{ enabled: null }, 'not-enabled'],
    [{ enabled: 'pending' }, 'enabled-unclear'],
    [{ secret: null }, 'secret-missing'],
    [{ secret: '' }, 'secret-missing'],
    [{ secret: 7 }, 'secret-undecryptable'],
    [{ secret: 'not base32!' }, 'secret-malformed'],
    [{ secret: 'HXDMVJECJJWSRB' }, 'secret-malformed'],
    [{ secret: 'HXDMVJECJJWSR' }, 'secret-impossible'],
  ])('%j is left out: %s', async (change, skipped) => {
    expect(await read({ row: { ...row, ...change } })).toMatchObject({ skipped });
  });

  it('of a number for an id, and a secret in bytes', async () => {
    const user = await userOf({ row: { ...row, userId: 42, secret: Buffer.from(row.secret) } });
    expect(user).toMatchObject({ userId: '42', secret: expect.objectContaining({ length: 20 }) });
  });

  it('without a column for it is confirmed when there is a secret, and only then', async () => {
    const everyone = { ...from, columns: { userId: 'id', secret: 'totp' }, everySecretIsConfirmed: true };
    const rest = { userId: row.userId, secret: row.secret };
    expect(await read({ row: rest }, { from: everyone })).toHaveProperty('user');
    expect(await read({ row: { ...rest, secret: null } }, { from: everyone })).toMatchObject({
      skipped: 'not-enabled',
    });
  });

  it('is left out when the way to decrypt throws or answers no text', async () => {
    const refusing = () => {
      throw new Error('no');
    };
    expect(await read({}, { secret: { decrypt: refusing } })).toMatchObject({ skipped: 'secret-undecryptable' });
    expect(await read({}, { secret: { decrypt: () => 5 } })).toMatchObject({ skipped: 'secret-malformed' });
    expect(await read({}, { secret: { decrypt: async () => row.secret } })).toHaveProperty('user');
  });
});

describe('backup codes of the source', () => {
  const code = (phc: unknown, usedAt: unknown = null) => ({ userId: 'ada', hash: phc, usedAt });

  it('are kept with the spelling that was hashed, always under the same ids', async () => {
    const { usable } = (await userOf({ codes: [code(hash(1)), code(hash(2))] })).codes;
    expect(usable.map(({ phc }) => phc)).toEqual([`hyphenated:${hash(1)}`, `hyphenated:${hash(2)}`]);
    expect((await userOf({ codes: [code(hash(2))] })).codes.usable[0]!.id).toBe(usable[1]!.id);
    expect((await userOf({ row: { ...row, userId: 'bob' }, codes: [code(hash(2))] })).codes.usable[0]!.id).not.toBe(
      usable[1]!.id,
    );
    const plain = await userOf({ codes: [code(hash(1))] }, { backupCodes: { ...codes, hashedOver: 'XXXXXXXX' } });
    expect(plain.codes.usable[0]!.phc).toBe(hash(1));
  });

  it('are left out when used, unclear, or no Argon2id', async () => {
    const rows = [code(hash(1), '2026-11-01 08:15:00'), code(hash(2), 'maybe'), code('$2b$10$abc'), code(null)];
    const { usable, usedIds, skipped } = (await userOf({ codes: rows })).codes;
    expect([usable, usedIds.length, skipped]).toEqual([[], 1, ['used-unclear', 'not-argon2id', 'not-argon2id']]);
  });

  it('S58 are left out when a guess would cost too much', async () => {
    const ten = Array.from({ length: 10 }, (_, salt) => code(hash(salt)));
    expect((await userOf({ codes: ten })).codes).toMatchObject({ usable: { length: 10 }, skipped: [] });
    const dear = [...ten.slice(0, 9), code(hash(20, 262_144, 10)), code(hash(21))];
    expect((await userOf({ codes: dear })).codes).toMatchObject({ usable: { length: 10 }, skipped: ['too-costly'] });
    const eleven = [...ten, code(hash(30, 64, 1))];
    expect((await userOf({ codes: eleven })).codes).toMatchObject({ usable: { length: 10 }, skipped: ['too-costly'] });
  });

  it('that stand there twice are one', async () => {
    expect((await userOf({ codes: [code(hash(1)), code(hash(1))] })).codes).toMatchObject({
      usable: { length: 1 },
      skipped: [],
    });
  });
});

describe('codes that the source accepted', () => {
  const windows = async (window: unknown, unit?: string, totp?: object) => {
    const result = await read({ usage: [{ userId: 'ada', window }] }, { usage: { ...usage, unit }, totp });
    return 'user' in result ? result.user.steps : result.skipped;
  };

  it.each([
    [STEP, 'steps'],
    [String(STEP), 'steps'],
    [NOW / 1000, 'seconds'],
    [NOW / 1000 + 29, 'seconds'],
    [NOW, 'milliseconds'],
  ])('%j in %s is the step of now', async (window, unit) => {
    expect(await windows(window, unit)).toMatchObject({ live: [{ step: STEP }], expired: 0 });
  });

  it('counts steps of the period that the plan tells', async () => {
    expect(await windows(NOW / 60_000, 'steps', { periodSeconds: 60 })).toMatchObject({
      live: [{ step: NOW / 60_000 }],
    });
  });

  it('is remembered for the widest window there is and the skew of clocks, and not longer', async () => {
    const stepsLong = 10 + 1 + (10 * 60) / 30;
    expect(await windows(STEP - stepsLong + 1)).toMatchObject({ live: [{ expiresAtMs: NOW + 30_000 }] });
    expect(await windows(STEP - stepsLong)).toEqual({ live: [], expired: 1 });
  });

  it.each([
    [NOW / 1000, 'steps', 'seconds taken for steps'],
    [STEP, 'seconds', 'steps taken for seconds'],
    [NOW, 'seconds', 'milliseconds taken for seconds'],
    [STEP + 3000, 'steps', 'after tomorrow'],
    [-1, 'steps', 'negative'],
    [1.5, 'steps', 'no whole number'],
    [null, 'steps', 'nothing'],
    ['2026-11-01', 'steps', 'a date'],
  ] as [unknown, string, string][])('%j in %s is not a window: %s', async (window, unit) => {
    expect(await windows(window, unit)).toBe('usage-impossible');
  });
});
