import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KeyRing, type MfaKey } from './key-ring.js';

const fresh = () => randomBytes(32).toString('base64');
const ringOf = (...keys: unknown[]) => new KeyRing(keys as MfaKey[]);
const refusal = (message: unknown) => expect.objectContaining({ code: 'MFA_MISCONFIGURED', message });

describe('KeyRing', () => {
  it('writes with the first key and finds all of them', () => {
    const ring = ringOf({ id: '2026-11', secret: fresh() }, { id: '2025_a', secret: randomBytes(32) });
    expect(ring.newest.id).toBe('2026-11');
    expect(ring.ids).toEqual(['2026-11', '2025_a']);
    expect(ring.byId('2025_a')?.id).toBe('2025_a');
  });

  it.each(['other', '', '__proto__', 'constructor', '2026-11 '])('S63 finds nothing under the unknown id %j', (id) => {
    expect(ringOf({ id: '2026-11', secret: fresh() }).byId(id)).toBeNull();
  });

  it('S8 derives three different keys, the same ones every time', () => {
    const secret = fresh();
    const [one, two] = [ringOf({ id: 'a', secret }).newest, ringOf({ id: 'b', secret }).newest];
    const keys = (key: typeof one) => [key.sealKey, key.tokenKey, key.webAuthnKey];
    const raw = (key: typeof one) => keys(key).map((each) => each.export().toString('hex'));
    expect(raw(one)).toEqual(raw(two));
    expect(new Set([...raw(one), Buffer.from(secret).toString('hex')]).size).toBe(4);
    expect(keys(one).map(({ symmetricKeySize }) => symmetricKeySize)).toEqual([32, 32, 32]);
  });

  it('S8 derives by HKDF-SHA256 under the published labels', () => {
    const secret = fresh();
    // RFC 5869 by hand: extract with a zero salt, then the first block of expand.
    const pseudoRandomKey = createHmac('sha256', Buffer.alloc(32)).update(secret).digest();
    const block = (label: string) => createHmac('sha256', pseudoRandomKey).update(`${label}\u0001`).digest();
    const { sealKey, tokenKey, webAuthnKey } = ringOf({ id: 'a', secret }).newest;
    expect(sealKey.export()).toEqual(block('nestjs-mfa/seal/v1'));
    expect(tokenKey.export()).toEqual(block('nestjs-mfa/mfa-token/v1'));
    expect(webAuthnKey.export()).toEqual(block('nestjs-mfa/webauthn/v1'));
  });

  it('S64 shows no secret when it is logged', () => {
    const secret = fresh();
    const ring = ringOf({ id: 'a', secret });
    expect(inspect(ring, { depth: 10, showHidden: true }) + JSON.stringify(ring)).not.toContain(secret);
  });

  it.each([[undefined], [null], [[]], ['key'], [{ id: 'a', secret: fresh() }]])('S7 refuses %j as keys', (keys) => {
    expect(() => new KeyRing(keys as never)).toThrow(refusal(expect.stringMatching(/^keys must be .*randomBytes/)));
  });

  it.each([undefined, null, '', 'a b', 'a.b', 'ä', 'a\n', 7, 'x'.repeat(33)])('S7 refuses the key id %j', (id) => {
    const keys = [
      { id: 'ok', secret: fresh() },
      { id, secret: fresh() },
    ];
    expect(() => ringOf(...keys)).toThrow(refusal(expect.stringMatching(/^keys\[1\]\.id must be/)));
  });

  it.each([null, undefined, 'key'])('S7 refuses the entry %j', (key) => {
    expect(() => ringOf(key)).toThrow(refusal(expect.stringMatching(/^keys\[0\]\.id/)));
  });

  it('S7 refuses a repeated id', () => {
    const keys = [
      { id: 'a', secret: fresh() },
      { id: 'a', secret: fresh() },
    ];
    expect(() => ringOf(...keys)).toThrow(refusal(expect.stringMatching(/^keys\[1\]\.id repeats keys\[0\]\.id/)));
  });

  it('S7 refuses a repeated secret, be it text or bytes', () => {
    const secret = fresh();
    const keys = [
      { id: 'a', secret },
      { id: 'b', secret: Buffer.from(secret) },
    ];
    expect(() => ringOf(...keys)).toThrow(
      refusal(expect.stringMatching(/^keys\[1\]\.secret repeats keys\[0\]\.secret/)),
    );
  });

  it.each([undefined, null, ''])('S7 asks for the environment variable when the secret is %j', (secret) => {
    const message = expect.stringMatching(/^keys\[0\]\.secret is missing: is its environment variable set\?.*node -e/);
    expect(() => ringOf({ id: 'a', secret })).toThrow(refusal(message));
  });

  it.each([7, true, {}, ['x']])('S7 refuses a secret that is %j', (secret) => {
    expect(() => ringOf({ id: 'a', secret })).toThrow(refusal(expect.stringMatching(/^keys\[0\]\.secret must be/)));
  });

  it('S7 S64 names the remedy and never the secret', () => {
    const secret = 'my-ever-so-secret';
    const message = expect.stringMatching(/^keys\[0\]\.secret is shorter than 32 characters\. Make one with: node -e/);
    expect(() => ringOf({ id: 'a', secret })).toThrow(refusal(message));
    expect(() => ringOf({ id: 'a', secret })).toThrow(refusal(expect.not.stringContaining(secret)));
  });
});
