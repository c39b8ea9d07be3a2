import { createHash, createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SystemRandom } from '../../domain/random.js';
import { KeyRing } from '../../domain/secrets/key-ring.js';
import { registerState, type WebAuthnClaim, WebAuthnChallenges, webAuthnExpiry } from './webauthn-challenge.js';

const NOW = Date.UTC(2026, 10, 26);
const MINUTE = 60_000;
const random = new SystemRandom();
const key = (id: string) => ({ id, secret: randomBytes(32) });
const claim: WebAuthnClaim = {
  purpose: 'verify',
  userId: 'u-1',
  securityStamp: 7,
  binding: 'jti-1',
  rpId: 'example.com',
  state: '',
};

const keys = [key('new'), key('old')];
const challenges = new WebAuthnChallenges(new KeyRing(keys));
const issueBytes = (of: WebAuthnClaim = claim, expiresAtMs = NOW + 5 * MINUTE) =>
  challenges.issue(of, { nowMs: NOW, expiresAtMs, random });
const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const issue = (...args: Parameters<typeof issueBytes>) => encode(issueBytes(...args));

describe('WebAuthnChallenges', () => {
  it('accepts its own challenge and returns what spends it', () => {
    const bytes = issueBytes();
    const item = createHash('sha256').update(bytes).digest('hex');
    expect(challenges.check(encode(bytes), claim, NOW)).toEqual({ item, expiresAtMs: NOW + 5 * MINUTE });
  });

  it('S80 signs the claim as a JSON array with the key for WebAuthn challenges', () => {
    const bytes = Buffer.from(issueBytes());
    expect(bytes).toHaveLength(6 + 16 + 32);
    const values = [
      'verify',
      'u-1',
      7,
      'jti-1',
      'example.com',
      '',
      bytes.toString('base64url', 6, 22),
      NOW + 5 * MINUTE,
    ];
    const { webAuthnKey } = new KeyRing(keys).newest;
    expect(bytes.subarray(22)).toEqual(createHmac('sha256', webAuthnKey).update(JSON.stringify(values)).digest());
  });

  it.each<Partial<WebAuthnClaim>>([
    { purpose: 'step-up' },
    { purpose: 'change' },
    { purpose: 'register' },
    { userId: 'u-2' },
    { userId: 'u-1","7' },
    { securityStamp: 8 },
    { binding: 'jti-2' },
    { binding: null },
    { binding: '' },
    { rpId: 'example.org' },
    { state: 'x' },
  ])('S80 refuses a challenge for another claim: %j', (change) => {
    const challenge = issue();
    expect(challenges.check(challenge, claim, NOW)).not.toBeNull();
    expect(challenges.check(challenge, { ...claim, ...change }, NOW)).toBeNull();
  });

  it('S80 does not mix up neighbouring fields', () => {
    const joined = { ...claim, binding: 'a', rpId: 'b.example' };
    const challenge = issue(joined);
    expect(challenges.check(challenge, { ...claim, binding: 'a","b.example', rpId: '' }, NOW)).toBeNull();
  });

  it('ends after 5 minutes, or earlier where the caller says so', () => {
    const long = issue(claim, NOW + 60 * MINUTE);
    expect(challenges.check(long, claim, NOW + 5 * MINUTE - 1)?.expiresAtMs).toBe(NOW + 5 * MINUTE);
    expect(challenges.check(long, claim, NOW + 5 * MINUTE)).toBeNull();
    const short = issue(claim, NOW + MINUTE);
    expect(challenges.check(short, claim, NOW + MINUTE - 1)?.expiresAtMs).toBe(NOW + MINUTE);
    expect(challenges.check(short, claim, NOW + MINUTE)).toBeNull();
    expect([webAuthnExpiry(NOW), webAuthnExpiry(NOW, NOW + 9)]).toEqual([NOW + 5 * MINUTE, NOW + 9]);
  });

  it('is refused by an instance for which it lives longer than 5 minutes and the tolerated difference of clocks', () => {
    const challenge = issue();
    expect(challenges.check(challenge, claim, NOW - MINUTE)).not.toBeNull();
    expect(challenges.check(challenge, claim, NOW - MINUTE - 1)).toBeNull();
  });

  it('S80 is accepted with every key of the ring, and by no other ring', () => {
    const challenge = issue();
    const rotated = new WebAuthnChallenges(new KeyRing([key('newest'), ...keys]));
    expect(rotated.check(challenge, claim, NOW)).not.toBeNull();
    const last = new WebAuthnChallenges(new KeyRing([keys[0]!]));
    expect(last.check(challenge, claim, NOW)).not.toBeNull();
    const removed = new WebAuthnChallenges(new KeyRing([keys[1]!]));
    expect(removed.check(challenge, claim, NOW)).toBeNull();
  });

  it('S80 refuses a challenge with any changed bit', () => {
    const bytes = issueBytes();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(challenges.check(encode(changed), claim, NOW)).toBeNull();
    }
  });

  it.each<[string, (challenge: string) => string]>([
    ['padding', (challenge) => `${challenge}=`],
    ['a line break', (challenge) => `${challenge}\n`],
    ['one more character', (challenge) => `${challenge}A`],
    ['one character less', (challenge) => challenge.slice(1)],
    ['white space inside', (challenge) => `${challenge.slice(0, 9)} ${challenge.slice(9)}`],
    ['white space instead of a character', (challenge) => ` ${challenge.slice(1)}`],
    ['the alphabet of base64', (challenge) => challenge.replaceAll('-', '+').replaceAll('_', '/')],
    ['nothing left', () => ''],
    ['a text that is encoded twice', (challenge) => Buffer.from(challenge).toString('base64url')],
  ])('S80 refuses another spelling: %s', (_, spell) => {
    let challenge = issue();
    while (!/[-_]/.test(challenge)) challenge = issue();
    expect(challenges.check(challenge, claim, NOW)).not.toBeNull();
    expect(challenges.check(spell(challenge), claim, NOW)).toBeNull();
  });

  it('is new every time', () => {
    expect(new Set(Array.from({ length: 50 }, () => issue())).size).toBe(50);
  });
});

describe('registerState', () => {
  const account = { activeFactors: [{ type: 'totp', id: 'a' }], backupSetId: 'set-1' };

  it('S84 changes with the factors, their order and the backup set, and with nothing else', () => {
    const states = [
      account,
      { ...account, backupSetId: 'set-2' },
      { ...account, backupSetId: null },
      { ...account, backupSetId: '' },
      { ...account, activeFactors: [] },
      { ...account, activeFactors: [...account.activeFactors, { type: 'passkey', id: 'b' }] },
      { ...account, activeFactors: [{ type: 'passkey', id: 'b' }, ...account.activeFactors] },
    ].map(registerState);
    expect(new Set(states).size).toBe(states.length);
    expect(states[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(registerState({ ...account })).toBe(states[0]);
  });
});
