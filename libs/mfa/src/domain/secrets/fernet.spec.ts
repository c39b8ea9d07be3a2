import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fernetKeyPair, isFernetShape, openFernet } from './fernet.js';

const fixture = <T>(name: string): T[] =>
  JSON.parse(readFileSync(new URL(`../../../../../test/fixtures/fernet/${name}.json`, import.meta.url), 'utf8')) as T[];

interface SpecificationVector {
  desc?: string;
  token: string;
  now: string;
  ttl_sec: number;
  src: string;
  secret: string;
}

const open = ({ token, now, ttl_sec, secret }: SpecificationVector): string =>
  openFernet(token, fernetKeyPair({ key: secret }, 'key'), {
    nowMs: Date.parse(now),
    timeToLiveSeconds: ttl_sec,
  }).toString('utf8');

const unreadable = (reason: RegExp) =>
  expect.objectContaining({ code: 'MFA_SECRET_UNREADABLE', message: expect.stringMatching(reason) });

/** What refuses each vector of the specification; one that it does not list here fails its test. */
const REASONS: Record<string, RegExp> = {
  'incorrect mac': /altered/,
  'too short': /truncated/,
  'invalid base64': /base64url/,
  'payload size not multiple of block size': /truncated/,
  'payload padding error': /padding/,
  'far-future TS (unacceptable clock skew)': /future/,
  'expired TTL': /too old/,
  'incorrect IV (causes padding error)': /padding/,
};

describe('openFernet', () => {
  it.each(fixture<SpecificationVector>('verify'))("S9 opens the specification's token of $src", (vector) => {
    expect(open(vector)).toBe(vector.src);
  });

  it.each(fixture<SpecificationVector>('invalid'))("S9 refuses the specification's token with: $desc", (vector) => {
    expect(() => open(vector)).toThrow(unreadable(REASONS[vector.desc!]!));
  });

  it.each(fixture<Record<'secretKey' | 'key' | 'token' | 'secret', string>>('python'))(
    'S9 opens a token of Python under the derived and the raw key of $secretKey',
    ({ secretKey, key, token, secret }) => {
      for (const given of [{ secretKey }, { key }]) {
        expect(openFernet(token, fernetKeyPair(given, 'key')).toString('utf8')).toBe(secret);
      }
      expect(isFernetShape(token)).toBe(true);
    },
  );

  const [{ token, secret }] = fixture<SpecificationVector>('verify') as [SpecificationVector];
  const pair = fernetKeyPair({ key: secret }, 'key');

  it('refuses a token with any one bit flipped', () => {
    const bytes = Buffer.from(token, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => openFernet(damaged.toString('base64url'), pair)).toThrow(unreadable(/./));
    }
  });

  it.each(Array.from({ length: 100 }, (_, length) => length))('refuses a token cut to %i characters', (length) => {
    expect(() => openFernet(token.slice(0, length), pair)).toThrow(unreadable(/./));
  });

  it.each([
    ['white space around', (text: string) => ` ${text}\n`],
    ['standard base64', (text: string) => text.replaceAll('_', '/').replaceAll('-', '+')],
    ['no padding', (text: string) => text.replace(/=+$/, '')],
    ['stray bits at the end', (text: string) => text.replace('A==', 'B==')],
  ])('refuses another spelling: %s', (_, spelled) => {
    expect(() => openFernet(spelled(token), pair)).toThrow(unreadable(/base64url/));
  });

  it.each([
    ['as old as it may be', 60, true],
    ['a second older', 61, false],
    ['made as far ahead as clocks may differ', -60, true],
    ['made a second further ahead', -61, false],
  ])('judges a token %s', (_, ageSeconds, good) => {
    const madeAtMs = Number(Buffer.from(token, 'base64url').readBigUInt64BE(1)) * 1000;
    const freshness = { nowMs: madeAtMs + ageSeconds * 1000, timeToLiveSeconds: 60 };
    const opened = () => openFernet(token, fernetKeyPair({ key: secret }, 'key'), freshness).toString();
    if (good) expect(opened()).toBe('hello');
    else expect(opened).toThrow(unreadable(/too old|future/));
  });

  it('refuses a token without any ciphertext, however well signed', () => {
    const header = Buffer.from(token, 'base64url').subarray(0, 25);
    const mac = createHmac('sha256', Buffer.from(secret, 'base64url').subarray(0, 16)).update(header).digest();
    const empty = Buffer.concat([header, mac]).toString('base64url');
    const padded = empty.padEnd(Math.ceil(empty.length / 4) * 4, '=');
    expect(() => openFernet(padded, pair)).toThrow(unreadable(/truncated/));
  });

  it('refuses another version, however well signed', () => {
    const bytes = Buffer.from(token, 'base64url').subarray(0, -32);
    bytes[0] = 0x81;
    const mac = createHmac('sha256', Buffer.from(secret, 'base64url').subarray(0, 16)).update(bytes).digest();
    const forged = Buffer.concat([bytes, mac]).toString('base64url').padEnd(token.length, '=');
    expect(() => openFernet(forged, pair)).toThrow(unreadable(/truncated|version/));
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['an empty secret', { secretKey: '' }],
    ['a missing environment variable', { secretKey: undefined }],
    ['a short key', { key: randomBytes(16).toString('base64url') }],
    ['a key that is not base64url', { key: `${'%'.repeat(43)}=` }],
    ['both', { key: `${randomBytes(32).toString('base64url')}=`, secretKey: 'x' }],
  ])('refuses %s for a key, naming the entry and the remedy', (_, given) => {
    expect(() => fernetKeyPair(given as never, 'fernet.keys[0]')).toThrow(
      expect.objectContaining({
        code: 'MFA_MISCONFIGURED',
        message: expect.stringMatching(/^fernet\.keys\[0\] .*environment/),
      }),
    );
  });
});
