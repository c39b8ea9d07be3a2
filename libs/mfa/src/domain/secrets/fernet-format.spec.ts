import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FixedClock } from '../../testing/fixed-clock.js';
import { SystemRandom } from '../random.js';
import { toBase32 } from '../totp/totp.js';
import { fernetKeyPair } from './fernet.js';
import { FernetFormat } from './fernet-format.js';
import { KeyRing } from './key-ring.js';
import { SecretBox, type SealContext } from './secret-box.js';

const fixtures = new URL('../../../../../test/fixtures/fernet/', import.meta.url);
const vectors = JSON.parse(readFileSync(new URL('python.json', fixtures), 'utf8')) as Record<
  'secretKey' | 'token' | 'secret',
  string
>[];
const [{ token, secret, secretKey }] = vectors as [(typeof vectors)[0]];

/** A token as Fernet's specification makes it, of a text that is not a secret. */
function fernetOf(text: string, key: Buffer): string {
  const cipher = createCipheriv('aes-128-cbc', key.subarray(16), Buffer.alloc(16, 7));
  const signed = Buffer.concat([
    Buffer.from([0x80]),
    Buffer.alloc(8),
    Buffer.alloc(16, 7),
    cipher.update(text),
    cipher.final(),
  ]);
  const mac = createHmac('sha256', key.subarray(0, 16)).update(signed).digest();
  return Buffer.concat([signed, mac]).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

const ring = new KeyRing([{ id: 'k1', secret: Buffer.from(new SystemRandom().bytes(32)) }]);
const untilMs = 1_800_000_000_000;
const clock = new FixedClock(untilMs - 1);
const context: SealContext = { purpose: 'totp-secret', userId: 'ann', credentialId: 'c1' };
const right = fernetKeyPair({ secretKey }, 'key');
const other = fernetKeyPair({ secretKey: 'another' }, 'key');

const boxWith = (keyPairs: readonly ReturnType<typeof fernetKeyPair>[]) =>
  new SecretBox(ring, new SystemRandom(), [new FernetFormat({ keyPairs, untilMs }, clock)]);

const refused = (reason: RegExp) =>
  expect.objectContaining({ code: 'MFA_SECRET_UNREADABLE', message: expect.stringMatching(reason) });

describe('FernetFormat', () => {
  it('S10 is off by default: an authentic token is refused', () => {
    expect(() => new SecretBox(ring, new SystemRandom()).open(token, context)).toThrow(refused(/not enabled/));
  });

  it.each([
    ['the one key', [right]],
    ['a later key of several', [other, right]],
  ])('S9 opens the bytes of the base32 secret with %s', (_, keyPairs) => {
    expect(toBase32(boxWith(keyPairs).open(token, context))).toBe(secret);
  });

  it('S10 refuses every token from the cut-off on', () => {
    const box = boxWith([right]);
    expect(box.open(token, context)).toBeDefined();
    clock.set(untilMs);
    expect(() => box.open(token, context)).toThrow(refused(/fernet\.until/));
    clock.set(untilMs - 1);
  });

  it('S10 refuses a token in the place of a backup code', () => {
    expect(() => boxWith([right]).open(token, { ...context, purpose: 'backup-code' })).toThrow(refused(/TOTP secret/));
  });

  it.each([
    ['another key', token, [other]],
    ['a truncated token', token.slice(0, -8), [right]],
    ['a message that is not base32', fernetOf('pass word!', createHash('sha256').update(secretKey).digest()), [right]],
  ])('refuses %s', (reason, value, keyPairs) => {
    const told =
      { 'another key': /another key/, 'a truncated token': /base64url|truncated|altered/ }[reason] ?? /no base32/;
    expect(() => boxWith(keyPairs).open(value, context)).toThrow(refused(told));
  });
});
