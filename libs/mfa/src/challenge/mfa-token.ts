import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing, RingKey } from '../domain/secrets/key-ring.js';
import { toUserId } from '../host/user-id.js';
import { isAmr } from './first-factor.js';

/** Pinned: nothing in a token chooses its algorithm (RFC 8725 §3.1). HMAC-SHA-256 (RFC 7518 §3.2). */
// S40
const ALGORITHM = { alg: 'HS256', hash: 'sha256' };
/** Explicit typing and audience keep every other token of the host out (RFC 8725 §3.11, §3.9). */
// S41
const TYPE = 'mfa+jwt';
const AUDIENCE = 'nestjs-mfa:verify';
/** Longest mfa_token in characters: the longest user id, issuer, `amr` and state fit. */
export const LONGEST_TOKEN = 8192;
/** A sealed state is longer than its text; its own check is the box that opens it. */
const LONGEST_SEALED = 2048;
/** Longest header segment that is looked at: a `kid` has at most 32 characters. */
const LONGEST_HEADER = 512;
/** Printable ASCII: whatever else might pass for an equal string in a database is none. */
// S42
const TOKEN_ID = /^[\x21-\x7E]{1,64}$/;

/** What an mfa_token holds. */
export interface MfaTokenClaims {
  userId: string;
  /** `jti`: spent by the login that it completes. */
  tokenId: string;
  /** The account's security stamp at issue; another one means revoked. */
  // S43
  securityStamp: number;
  /** `amr` of the first factor; left out = none was given. */
  amr?: readonly string[];
  /** The sealed state of the login; left out = none was given. */
  state?: string;
  expiresAtMs: number;
}

export interface TokenParams {
  keyRing: KeyRing;
  /** `iss`. */
  issuer: string;
  lifetimeSeconds: number;
  nowMs: number;
}

/** Signs an mfa_token with the newest key: a JWT in JWS compact serialization (RFC 7519; RFC 7515 §3.1). */
export function signMfaToken(claims: Omit<MfaTokenClaims, 'expiresAtMs'>, params: TokenParams): string {
  const { keyRing, issuer, lifetimeSeconds, nowMs } = params;
  const issuedAt = Math.floor(nowMs / 1000);
  const payload = {
    iss: issuer,
    aud: AUDIENCE,
    sub: claims.userId,
    jti: claims.tokenId,
    stamp: claims.securityStamp,
    // JSON leaves out what is undefined.
    amr: claims.amr?.length ? claims.amr : undefined,
    state: claims.state,
    iat: issuedAt,
    exp: issuedAt + lifetimeSeconds,
  };
  const text = `${headerOf(keyRing.newest.id)}.${encode(payload)}`;
  return `${text}.${signatureOf(text, keyRing.newest)}`;
}

/** Reads an mfa_token. `null` = malformed, foreign, expired or too long-lived. */
// S40
export function readMfaToken(token: string, params: TokenParams): MfaTokenClaims | null {
  if (token.length > LONGEST_TOKEN) return null;
  // For the compiler: a missing part has no valid signature, whatever its default.
  const [header = '', payload = '', signature = '', ...others] = token.split('.');
  const key = keysByHeader(params.keyRing).get(header);
  if (!key || others.length > 0) return null;
  if (!isSame(signature, signatureOf(`${header}.${payload}`, key))) return null;
  return toClaims(decode(payload), params);
}

/** Whether a Bearer value is meant to be an mfa_token, valid or not: by its `typ` (RFC 7515 §4.1.9). */
export function hasMfaTokenType(token: string): boolean {
  const [header = ''] = token.split('.', 1);
  if (header.length > LONGEST_HEADER) return false;
  const { typ } = decode(header) ?? {};
  return typeof typ === 'string' && typ.replace(/^application\//i, '').toLowerCase() === TYPE;
}

/** In base64url without padding: comparing the text leaves a signature one spelling only. */
function signatureOf(text: string, { tokenKey }: RingKey): string {
  return createHmac(ALGORITHM.hash, tokenKey).update(text).digest('base64url');
}

/** Compares two strings in constant time. */
function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The first segments that tokens of ours have, one for each key. */
const headers = new WeakMap<KeyRing, ReadonlyMap<string, RingKey>>();

/** Nothing of a header is interpreted: it is the one that a key of the ring writes, or the token is foreign. */
// S40
function keysByHeader(ring: KeyRing): ReadonlyMap<string, RingKey> {
  const known = headers.get(ring) ?? new Map(ring.ids.map((id) => [headerOf(id), ring.byId(id)!]));
  headers.set(ring, known);
  return known;
}

function headerOf(keyId: string): string {
  return encode({ alg: ALGORITHM.alg, typ: TYPE, kid: keyId });
}

function encode(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url');
}

/** The JSON of a segment, or `null` where it is not JSON. No claim is read from other JSON than an object. */
function decode(segment: string): Record<string, unknown> | null {
  try {
    return JSON.parse(Buffer.from(segment, 'base64url').toString()) as Record<string, unknown> | null;
  } catch {
    return null;
  }
}

function toClaims(payload: Record<string, unknown> | null, params: TokenParams): MfaTokenClaims | null {
  // No token of ours has an `nbf`; reading one would mean heeding it (RFC 7519 §4.1.5).
  if (payload?.iss !== params.issuer || payload.aud !== AUDIENCE || payload.nbf !== undefined) return null;
  const { sub, jti, stamp, amr, state, iat, exp } = payload;
  // The type of `sub` is for the compiler: `toUserId` changes every value that is not text.
  if (typeof sub !== 'string' || toUserId(sub) !== sub || typeof jti !== 'string' || !TOKEN_ID.test(jti)) return null;
  if (!isWhole(stamp) || !isWhole(iat) || !isWhole(exp)) return null;
  if ((amr !== undefined && !isAmr(amr)) || (state !== undefined && !isSealed(state))) return null;
  const lived = exp - iat;
  // A minute of clock skew between instances; a longer life than ours is a foreign token.
  if (lived <= 0 || lived > params.lifetimeSeconds || iat * 1000 > params.nowMs + 60_000) return null;
  const expiresAtMs = exp * 1000;
  return params.nowMs < expiresAtMs
    ? { userId: sub, tokenId: jti, securityStamp: stamp, amr, state, expiresAtMs }
    : null;
}

function isSealed(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_SEALED;
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
