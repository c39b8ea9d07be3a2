import { createHmac, hkdfSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { beforeEach, describe, expect, it } from 'vitest';
import { KEY } from '../../../../test/support/in-memory-mfa.js';
import { KeyRing } from '../domain/secrets/key-ring.js';
import { readMfaToken, signMfaToken, type TokenParams } from './mfa-token.js';

type Json = Record<string, unknown>;

const NOW = 1_800_000_000;
const OTHER_KEY = { id: 'k2', secret: 'Zt4w7sPq1mJx9vKe3bRy6uHa8cNf2dLg5oTi0jWqXzM=' };
const ANN = { userId: 'ann', tokenId: '8a2f', securityStamp: 7 };

let params: TokenParams;
beforeEach(() => {
  params = { kind: 'verify', keyRing: new KeyRing([KEY]), issuer: 'Acme', lifetimeSeconds: 300, nowMs: NOW * 1000 };
});

const signed = () => signMfaToken(ANN, params);

const encode = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');
const tokenKey = Buffer.from(hkdfSync('sha256', KEY.secret, '', 'nestjs-mfa/mfa-token/v1', 32));

const HEADER: Json = { alg: 'HS256', typ: 'mfa+jwt', kid: 'k1' };
const PAYLOAD: Json = {
  iss: 'Acme',
  aud: 'nestjs-mfa:verify',
  sub: 'ann',
  jti: '8a2f',
  stamp: 7,
  iat: NOW,
  exp: NOW + 300,
};

/** A hand-made JWT, signed with the right key; no library decides what may stand in it. */
function forge(payload: Json = {}, header: Json = {}, hash = 'sha256'): string {
  const text = `${encode({ ...HEADER, ...header })}.${encode({ ...PAYLOAD, ...payload })}`;
  return `${text}.${createHmac(hash, tokenKey).update(text).digest('base64url')}`;
}

const read = (token: string, changes: Partial<TokenParams> = {}) => readMfaToken(token, { ...params, ...changes });
const CLAIMS = { ...ANN, expiresAtMs: (NOW + 300) * 1000 };

describe('signMfaToken', () => {
  it('S40 writes typ, aud, iss, sub, jti, iat and exp under one pinned algorithm', () => {
    expect(jwt.decode(signed(), { complete: true })).toMatchObject({ header: HEADER, payload: PAYLOAD });
  });

  it('is read by another implementation of JWT', () => {
    const required = {
      algorithms: ['HS256' as const],
      issuer: 'Acme',
      audience: 'nestjs-mfa:verify',
      clockTimestamp: NOW,
    };
    expect(jwt.verify(signed(), tokenKey, required)).toEqual(PAYLOAD);
  });

  it('counts from the whole second that has begun', () => {
    const token = signMfaToken(ANN, { ...params, nowMs: NOW * 1000 + 999 });
    expect(jwt.decode(token)).toMatchObject({ iat: NOW, exp: NOW + 300 });
  });

  it('S63 signs with the newest key, and is read by every key of the ring', () => {
    const rotated = new KeyRing([OTHER_KEY, KEY]);
    const token = signMfaToken(ANN, { ...params, keyRing: rotated });
    expect(jwt.decode(token, { complete: true })?.header.kid).toBe('k2');
    expect(read(token, { keyRing: rotated })).toEqual(CLAIMS);
    expect(read(signed(), { keyRing: rotated })).toEqual(CLAIMS);
    expect(read(signed(), { keyRing: new KeyRing([OTHER_KEY]) })).toBeNull();
    expect(read(signed(), { keyRing: new KeyRing([{ ...OTHER_KEY, id: 'k1' }]) })).toBeNull();
  });
});

describe('readMfaToken', () => {
  it('reads what was signed', () => {
    expect(read(signed())).toEqual(CLAIMS);
  });

  it('would read the forgeries below, were every part of them right', () => {
    expect(read(forge())).toEqual(CLAIMS);
  });

  it.each(['', 'x', 'a.b', 'a.b.c', '..', 'null', '{}', '\0', 'ü.ü.ü', `${encode('text')}.${encode(PAYLOAD)}.x`])(
    'S40 refuses the text %j',
    (token) => {
      expect(read(token)).toBeNull();
    },
  );

  it('S40 refuses what says it holds JSON, and does not', () => {
    expect(read(`${encode({ ...HEADER, typ: 'JWT' })}.${Buffer.from('no JSON').toString('base64url')}.x`)).toBeNull();
  });

  it.each(['null', '7', '"text"', '[]', 'true', '{', ''])('S40 refuses the signed payload %s', (payload) => {
    const text = `${encode(HEADER)}.${Buffer.from(payload).toString('base64url')}`;
    expect(read(`${text}.${createHmac('sha256', tokenKey).update(text).digest('base64url')}`)).toBeNull();
  });

  it.each<[Json, string?]>([
    [{ alg: 'none' }],
    [{ alg: 'None' }],
    [{ alg: 'HS384' }, 'sha384'],
    [{ alg: 'HS512' }, 'sha512'],
    [{ alg: 'RS256' }],
    [{ alg: undefined }],
    [{ typ: undefined }],
    [{ typ: 'JWT' }],
    [{ typ: 'at+jwt' }],
    [{ typ: ['mfa+jwt'] }],
    [{ kid: undefined }],
    [{ kid: 'k2' }],
    [{ kid: 1 }],
    [{ kid: ['k1'] }],
    [{ kid: '__proto__' }],
  ])('S40 S41 refuses the header %j', (header, hash) => {
    expect(read(forge({}, header, hash))).toBeNull();
  });

  it('S40 refuses a token without a signature, and one whose payload was changed', () => {
    const [header, payload, signature] = forge().split('.') as [string, string, string];
    expect(read(`${header}.${payload}.`)).toBeNull();
    expect(read(`${header}.${payload}`)).toBeNull();
    expect(read(`${header}.${payload}.${signature}.`)).toBeNull();
    expect(read(`${header}.${payload}.${signature}.${signature}`)).toBeNull();
    expect(read(`${header}.${payload}.${signature}=`)).toBeNull();
    expect(read(`${header}.${payload}.${signature.slice(0, -1)}`)).toBeNull();
    expect(read(`${header}.${payload}=.${signature}`)).toBeNull();
    // 256 bits end within a character: its last two bits stand for nothing.
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = digits.indexOf(signature.at(-1)!);
    for (const bits of [1, 2, 3]) {
      expect(read(`${header}.${payload}.${signature.slice(0, -1)}${digits[last ^ bits]}`)).toBeNull();
    }
    expect(read(`${header}.${encode({ ...PAYLOAD, sub: 'bob' })}.${signature}`)).toBeNull();
  });

  it('S8 refuses a token that was signed with the secret itself, or with the key that seals', () => {
    const seal = Buffer.from(hkdfSync('sha256', KEY.secret, '', 'nestjs-mfa/seal/v1', 32));
    for (const key of [KEY.secret, Buffer.from(KEY.secret, 'base64'), seal]) {
      expect(read(jwt.sign(PAYLOAD, key, { header: HEADER as never }))).toBeNull();
    }
  });

  it.each(['iss', 'aud', 'sub', 'jti', 'stamp', 'iat', 'exp'])('S40 refuses a token without %s', (name) => {
    expect(read(forge({ [name]: undefined }))).toBeNull();
  });

  it.each<[Json]>([
    [{ iss: 'Evil' }],
    [{ aud: 'nestjs-mfa' }],
    [{ aud: ['other'] }],
    [{ aud: ['nestjs-mfa:verify'] }],
    [{ iss: ['Acme'] }],
    [{ exp: 2 ** 53 }],
    [{ nbf: NOW - 1 }],
    [{ sub: '' }],
    [{ sub: 0 }],
    [{ sub: ['ann'] }],
    [{ sub: ' ann' }],
    [{ sub: 'ann\0' }],
    [{ sub: 'x'.repeat(256) }],
    [{ jti: '' }],
    [{ jti: 7 }],
    [{ jti: ['8a2f'] }],
    [{ jti: 'a b' }],
    [{ jti: ' 8a2f' }],
    [{ jti: '8a2f\n' }],
    [{ jti: '8ä2f' }],
    [{ jti: 'x'.repeat(65) }],
    [{ stamp: '7' }],
    [{ stamp: 1.5 }],
    [{ stamp: 2 ** 53 }],
    [{ iat: 'now' }],
    [{ iat: NOW + 0.5 }],
    [{ exp: 'never' }],
    [{ exp: NOW + 299.5 }],
    [{ nbf: NOW + 1 }],
  ])('S40 S42 refuses %j', (payload) => {
    expect(read(forge(payload))).toBeNull();
  });

  it.each([
    ['a lifetime a second too long', { exp: NOW + 301 }],
    ['a lifetime of nothing', { iat: NOW + 30, exp: NOW + 30 }],
    ['an expiry before its beginning', { iat: NOW + 30, exp: NOW + 20 }],
    ['a beginning over a minute ahead', { iat: NOW + 61, exp: NOW + 100 }],
    ['an expiry right now', { iat: NOW - 300, exp: NOW }],
    ['an expiry in the past', { iat: NOW - 301, exp: NOW - 1 }],
  ])('S40 refuses %s', (_, times) => {
    expect(read(forge(times))).toBeNull();
  });

  it.each([
    ['a second before its expiry', { iat: NOW - 299, exp: NOW + 1 }],
    ['a shorter lifetime', { exp: NOW + 1 }],
    ['a beginning a minute ahead, by the clock of another instance', { iat: NOW + 60, exp: NOW + 360 }],
  ])('S40 reads %s', (_, times) => {
    expect(read(forge(times))).toMatchObject({ userId: 'ann', expiresAtMs: times.exp * 1000 });
  });

  it('lives until the very second of its expiry', () => {
    expect(read(signed(), { nowMs: (NOW + 300) * 1000 - 1 })).toEqual(CLAIMS);
    expect(read(signed(), { nowMs: (NOW + 300) * 1000 })).toBeNull();
  });

  it('S24 reads up to 10240 characters, and not one more', () => {
    const lengths = Array.from({ length: 120 }, (_, more) => forge({ padding: 'x'.repeat(7408 + more) }));
    const fitting = lengths.filter((token) => token.length <= 10240).at(-1)!;
    expect(fitting).toHaveLength(10240);
    expect(read(fitting)).toEqual(CLAIMS);
    expect(read(lengths.find((token) => token.length > 10240)!)).toBeNull();
  });

  it('reads a jti of 64 printable characters', () => {
    const jti = `!~${'x'.repeat(62)}`;
    expect(read(forge({ jti }))).toMatchObject({ tokenId: jti });
  });
});
