import { describe, expect, it } from 'vitest';
import { KEY } from '../../../../test/support/in-memory-mfa.js';
import { KeyRing } from '../domain/secrets/key-ring.js';
import { hasMfaTokenType, readMfaToken, signMfaToken, type MfaTokenKind } from './mfa-token.js';

const NOW_MS = 1_800_000_000_000;
const keyRing = new KeyRing([KEY]);
const params = (kind: MfaTokenKind) => ({ kind, keyRing, issuer: 'Acme', lifetimeSeconds: 300, nowMs: NOW_MS });
const ANN = { userId: 'ann', tokenId: '8a2f', securityStamp: 7 };
const CLAIMS = { ...ANN, expiresAtMs: NOW_MS + 300_000 };
const BY_POLICY = { reason: 'policy', policyId: 'everyone' };

const amrOf = (count: number) => Array.from({ length: count }, (_, n) => `m${n}`);
const sign = (claims: object, kind: MfaTokenKind) => signMfaToken({ ...ANN, ...claims }, params(kind));
/** Signs claims with the right key, and reads them. */
const pass = (claims: object, kind: MfaTokenKind = 'verify') => readMfaToken(sign(claims, kind), params(kind));

describe('the first factor in a token', () => {
  it.each<[string, object]>([
    ['24 values of amr', { amr: amrOf(24) }],
    ['4096 characters of sealed details', { state: 'x'.repeat(4096) }],
    ['the name of a method', { firstFactor: 'email' }],
    ['a method of 16 characters', { firstFactor: 'x'.repeat(16) }],
    ['a MAC of the version of the password', { credential: `${'k'.repeat(32)}.${'m'.repeat(43)}` }],
  ])('is read with %s', (_, claims) => {
    expect(pass(claims)).toEqual({ ...CLAIMS, ...claims });
  });

  it.each<[string, object]>([
    ['text as amr', { amr: 'pwd' }],
    ['a space in amr', { amr: ['p wd'] }],
    ['25 values of amr', { amr: amrOf(25) }],
    ['empty details', { state: '' }],
    ['a number as details', { state: 7 }],
    ['a list as details', { state: ['x'] }],
    ['4097 characters of sealed details', { state: 'x'.repeat(4097) }],
    ['an empty method', { firstFactor: '' }],
    ['a number as the method', { firstFactor: 7 }],
    ['a list as the method', { firstFactor: ['email'] }],
    ['a method with capitals', { firstFactor: 'E-Mail' }],
    ['text after the method', { firstFactor: 'email 2' }],
    ['text before the method', { firstFactor: '2 email' }],
    ['a method of 17 characters', { firstFactor: 'x'.repeat(17) }],
    ['a MAC without a key', { credential: `.${'m'.repeat(43)}` }],
    ['a MAC of a key with a long id', { credential: `${'k'.repeat(33)}.${'m'.repeat(43)}` }],
    ['a short MAC', { credential: `k.${'m'.repeat(42)}` }],
    ['a long MAC', { credential: `k.${'m'.repeat(44)}` }],
    ['a number as the MAC', { credential: 7 }],
  ])('S40 is refused with %s', (_, claims) => {
    expect(pass(claims)).toBeNull();
  });
});

describe('the enrollment in a token', () => {
  it.each<[object]>([
    [BY_POLICY],
    [{ ...BY_POLICY, proved: true }],
    [{ reason: 'reset', policyId: null }],
    [{ reason: 'recovery', policyId: null }],
  ])('S100 is read as %j', (enrollment) => {
    expect(pass({ enrollment }, 'enroll')).toStrictEqual({
      ...CLAIMS,
      ...{ amr: undefined, state: undefined, firstFactor: undefined, credential: undefined },
      enrollment,
    });
  });

  it.each<[unknown]>([
    [undefined],
    [null],
    ['policy'],
    [{}],
    [{ ...BY_POLICY, reason: 'other' }],
    [{ reason: 'other', policyId: null }],
    [{ reason: 'policy' }],
    [{ reason: 'policy', policyId: null }],
    [{ reason: 'policy', policyId: 7 }],
    [{ reason: 'reset', policyId: 'everyone' }],
    [{ reason: 'recovery', policyId: 'everyone' }],
    [{ ...BY_POLICY, proved: false }],
    [{ ...BY_POLICY, proved: 'true' }],
  ])('S100 is refused as %j', (enrollment) => {
    expect(pass({ enrollment }, 'enroll')).toBeNull();
  });

  it('has no policy for another reason, also where the claim is left out', () => {
    expect(pass({ enrollment: { reason: 'reset' } }, 'enroll')).toMatchObject({
      enrollment: { reason: 'reset', policyId: null },
    });
  });

  it('S41 S100 has no effect in an mfa_token, and neither kind is read as the other', () => {
    const enrollment = BY_POLICY;
    expect(pass({ enrollment })).toEqual(CLAIMS);
    expect(readMfaToken(sign({ enrollment }, 'verify'), params('enroll'))).toBeNull();
    expect(readMfaToken(sign({ enrollment }, 'enroll'), params('verify'))).toBeNull();
  });
});

describe('hasMfaTokenType', () => {
  const headed = (header: unknown) => `${Buffer.from(JSON.stringify(header)).toString('base64url')}.x.y`;

  it.each(['verify', 'enroll'] as const)('S41 recognises a token of the kind %s', (kind) => {
    expect(hasMfaTokenType(sign({}, kind))).toBe(true);
  });

  it.each(['MFA+JWT', 'application/mfa+jwt', 'Application/MFA-Enroll+JWT'])('S41 recognises the spelling %s', (typ) => {
    expect(hasMfaTokenType(headed({ typ }))).toBe(true);
  });

  it.each<[unknown]>([
    [{}],
    [null],
    ['mfa+jwt'],
    [{ typ: 'JWT' }],
    [{ typ: '' }],
    [{ typ: ['mfa+jwt'] }],
    [{ typ: 'mfa+application/jwt' }],
    [{ typ: 'application/application/mfa+jwt' }],
  ])('S41 does not recognise the header %j', (header) => {
    expect(hasMfaTokenType(headed(header))).toBe(false);
  });

  it('S41 does not recognise other text', () => {
    for (const text of ['', 'x', '.', 'mfa+jwt']) expect(hasMfaTokenType(text)).toBe(false);
  });

  it('S24 decodes a header of 512 characters, and not a longer one', () => {
    const of = (length: number) => headed({ typ: 'mfa+jwt', padding: 'x'.repeat(length - 30) });
    expect(of(384).indexOf('.')).toBe(512);
    expect(hasMfaTokenType(of(384))).toBe(true);
    expect(hasMfaTokenType(of(385))).toBe(false);
  });
});
