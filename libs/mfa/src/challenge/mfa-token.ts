import jwt from 'jsonwebtoken';
import type { KeyRing, RingKey } from '../domain/secrets/key-ring.js';
import { toUserId } from '../host/user-id.js';

/** Pinned: nothing in a token chooses its algorithm (S40; RFC 8725 §3.1). */
const ALGORITHM = 'HS256';
/** Explicit typing and audience keep every other token of the host out (S41; RFC 8725 §3.11, §3.9). */
const TYPE = 'mfa+jwt';
const AUDIENCE = 'nestjs-mfa:verify';
const LONGEST_TOKEN = 4096;
/** Printable ASCII: whatever else might pass for an equal string in a database is none (S42). */
const TOKEN_ID = /^[\x21-\x7E]{1,64}$/;

/** What an mfa_token says. */
export interface MfaTokenClaims {
  userId: string;
  /** `jti`: spent by the login that it completes. */
  tokenId: string;
  /** The account's epoch at issue; another one means revoked (S43). */
  epoch: number;
  expiresAtMs: number;
}

export interface TokenTerms {
  keyRing: KeyRing;
  /** `iss`. */
  issuer: string;
  lifetimeSeconds: number;
  nowMs: number;
}

/** Signs an mfa_token with the newest key. */
export function signMfaToken(claims: Omit<MfaTokenClaims, 'expiresAtMs'>, terms: TokenTerms): string {
  const { keyRing, issuer, lifetimeSeconds, nowMs } = terms;
  const { id, tokenKey } = keyRing.newest;
  const issuedAt = Math.floor(nowMs / 1000);
  const payload = {
    iss: issuer,
    aud: AUDIENCE,
    sub: claims.userId,
    jti: claims.tokenId,
    epc: claims.epoch,
    iat: issuedAt,
    exp: issuedAt + lifetimeSeconds,
  };
  return jwt.sign(payload, tokenKey, { algorithm: ALGORITHM, header: headerOf(id) });
}

/** Reads an mfa_token, or answers `null` for whatever is not one: malformed, foreign, expired or too long-lived (S40). */
export function readMfaToken(token: string, terms: TokenTerms): MfaTokenClaims | null {
  if (token.length > LONGEST_TOKEN) return null;
  const key = keysByHeader(terms.keyRing).get(token.slice(0, token.indexOf('.')));
  if (!key) return null;
  try {
    const payload = jwt.verify(token, key.tokenKey, {
      algorithms: [ALGORITHM],
      audience: AUDIENCE,
      issuer: terms.issuer,
      clockTimestamp: Math.floor(terms.nowMs / 1000),
    });
    return toClaims(payload, terms);
  } catch {
    return null;
  }
}

/** The first segments that tokens of ours have, one for each key. */
const headers = new WeakMap<KeyRing, ReadonlyMap<string, RingKey>>();

/** Nothing of a header is interpreted: it is the one that a key of the ring writes, or the token is foreign (S40). */
function keysByHeader(ring: KeyRing): ReadonlyMap<string, RingKey> {
  const known = headers.get(ring) ?? new Map(ring.ids.map((id) => [encodedHeader(id), ring.byId(id)!]));
  headers.set(ring, known);
  return known;
}

function headerOf(keyId: string): jwt.JwtHeader {
  return { alg: ALGORITHM, typ: TYPE, kid: keyId };
}

function encodedHeader(keyId: string): string {
  return Buffer.from(JSON.stringify(headerOf(keyId))).toString('base64url');
}

function toClaims(payload: string | jwt.JwtPayload, { lifetimeSeconds, nowMs }: TokenTerms): MfaTokenClaims | null {
  if (typeof payload === 'string') return null;
  const { sub, jti, epc, iat, exp } = payload;
  if (typeof sub !== 'string' || toUserId(sub) !== sub || typeof jti !== 'string' || !TOKEN_ID.test(jti)) return null;
  if (!Number.isSafeInteger(epc) || !Number.isInteger(iat) || !Number.isInteger(exp)) return null;
  const lived = exp! - iat!;
  // A minute of clock skew between instances; a longer life than ours is a foreign token.
  if (lived <= 0 || lived > lifetimeSeconds || iat! * 1000 > nowMs + 60_000) return null;
  return { userId: sub, tokenId: jti, epoch: epc as number, expiresAtMs: exp! * 1000 };
}
