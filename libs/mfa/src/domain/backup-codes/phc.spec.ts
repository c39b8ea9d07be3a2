import argon2 from 'argon2';
import { describe, expect, it } from 'vitest';
import { encodePhc, parsePhc } from './phc.js';

const salt = Buffer.from('0123456789abcdef');
const hash = Buffer.alloc(32, 7);
const valid = encodePhc({ memoryKib: 19456, passes: 2, parallelism: 1, salt, hash });
const [S, H] = valid.split('$').slice(4) as [string, string];

/** With salt and hash of so many bytes. */
const withBytes = (saltBytes: number, hashBytes: number) =>
  encodePhc({
    memoryKib: 19456,
    passes: 2,
    parallelism: 1,
    salt: Buffer.alloc(saltBytes),
    hash: Buffer.alloc(hashBytes),
  });

describe('PHC strings', () => {
  it('are what the argon2 package writes and reads', async () => {
    const theirs = await argon2.hash('code', { memoryCost: 1024, timeCost: 2, parallelism: 2, salt });
    const parsed = parsePhc(theirs);
    expect(parsed).toMatchObject({ memoryKib: 1024, passes: 2, parallelism: 2, salt });
    expect(encodePhc(parsed!)).toBe(theirs);
    await expect(argon2.verify(encodePhc(parsed!), 'code')).resolves.toBe(true);
  });

  it('come back as they were', () => {
    expect(valid).toBe(`$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$${H}`);
    expect(parsePhc(valid)).toEqual({ memoryKib: 19456, passes: 2, parallelism: 1, salt, hash });
  });

  it.each([
    ['nothing', ''],
    ['bcrypt', '$2b$10$abcdefghijklmnopqrstuv'],
    ['Argon2i', valid.replace('argon2id', 'argon2i')],
    ['an older version', valid.replace('v=19', 'v=16')],
    ['no version', valid.replace('$v=19', '')],
    ['too much memory', `$argon2id$v=19$m=262145,t=2,p=1$${S}$${H}`],
    ['too little memory', `$argon2id$v=19$m=15,t=2,p=2$${S}$${H}`],
    ['too many passes', `$argon2id$v=19$m=19456,t=11,p=1$${S}$${H}`],
    ['too many lanes', `$argon2id$v=19$m=19456,t=2,p=9$${S}$${H}`],
    ['zero passes', `$argon2id$v=19$m=19456,t=0,p=1$${S}$${H}`],
    ['a short salt', withBytes(7, 32)],
    ['a long salt', withBytes(65, 32)],
    ['a short hash', withBytes(16, 15)],
    ['a long hash', withBytes(16, 65)],
    ['padding', `${valid}=`],
    ['stray bits', `${valid.slice(0, -1)}${valid.endsWith('d') ? 'e' : 'd'}`],
    ['further parameters', valid.replace('p=1', 'p=1,data=AAAA')],
    ['a tail', `${valid}$x`],
    ['something before it', `x${valid}`],
    ['a newline', `${valid}\n`],
  ])('of %s are refused', (_, text) => {
    expect(parsePhc(text)).toBeNull();
  });

  it('at the bounds are accepted', () => {
    expect(parsePhc(`$argon2id$v=19$m=262144,t=10,p=8$${S}$${H}`)).toMatchObject({ memoryKib: 262144, passes: 10 });
    expect(parsePhc(`$argon2id$v=19$m=16,t=1,p=2$${S}$${H}`)).toMatchObject({ memoryKib: 16, parallelism: 2 });
    expect(parsePhc(withBytes(8, 16))).toMatchObject({ salt: Buffer.alloc(8), hash: Buffer.alloc(16) });
    expect(parsePhc(withBytes(64, 64))).toMatchObject({ salt: Buffer.alloc(64), hash: Buffer.alloc(64) });
  });
});
