import { createHmac } from 'node:crypto';
import { INSTANCE_SKEW_MS } from '../domain/clock.js';
import { isSame, type KeyRing, type RingKey } from '../domain/secrets/key-ring.js';
import { toUserId } from '../domain/accounts/account.js';
import type { MfaEnrollmentReason } from '../host/mfa-policy.js';
import { isAmr, isMethod } from './first-factor.js';

/** The fixed algorithm, HMAC-SHA-256 (RFC 7518 §3.2). A token cannot choose another one (RFC 8725 §3.1). */
// S40
const ALGORITHM = { alg: 'HS256', hash: 'sha256' };
/**
 * The kinds of tokens: `verify` for the second step of a login, `enroll` for an enrollment within a login. Each has its own
 * type and audience, so that neither the other kind nor a token of the host is accepted (RFC 8725 §3.11, §3.9).
 */
// S41, S100
const KINDS = {
  verify: { typ: 'mfa+jwt', aud: 'nestjs-mfa:verify' },
  enroll: { typ: 'mfa-enroll+jwt', aud: 'nestjs-mfa:enroll' },
} as const;
export type MfaTokenKind = keyof typeof KINDS;
const TYPES: readonly string[] = Object.values(KINDS).map(({ typ }) => typ);
/** Longest mfa_token, in characters. The longest user id, account name, issuers, `amr` and state fit in it. */
export const LONGEST_TOKEN = 10_240;
/** Longest sealed state, in characters. It is longer than its text; `SecretBox` checks it when it opens it. */
const LONGEST_SEALED = 4096;
/** Most values of `amr`: those of the first factor, and those of a second one that was proved before an enrollment. */
const MOST_AMR_OF_TOKEN = 24;
/** Longest header segment that is decoded, in characters. A `kid` has at most 32 characters. */
const LONGEST_HEADER = 512;
/** Format of `cred`: the id of a key, and a MAC in base64url. */
const CREDENTIAL = /^[\w-]{1,32}\.[\w-]{43}$/;
/** Format of a token id: printable ASCII, because a database may compare other characters as equal. */
// S42
const TOKEN_ID = /^[\x21-\x7E]{1,64}$/;

/** The claims of an mfa_token. */
export interface MfaTokenClaims {
  userId: string;
  /** `jti`. The login that the token completes spends it. */
  tokenId: string;
  /** The security stamp of the account at issue. If the account has another one, the token is revoked. */
  // S43
  securityStamp: number;
  /** `amr` of the first factor. Left out = none. */
  amr?: readonly string[];
  /** The sealed details of the login. Left out = none. */
  state?: string;
  /** The method that was the first factor, if it could be a second one too. */
  firstFactor?: string;
  /** The MAC of the version of the password, where a device can be trusted. */
  credential?: string;
  /** Only in a token of the kind `enroll`. */
  enrollment?: EnrollmentClaims;
  expiresAtMs: number;
}

/** What an enrollment within a login is for, and what was proved before. */
export interface EnrollmentClaims {
  /** After a `recovery` code the new factor replaces every other one. */
  reason: MfaEnrollmentReason | 'recovery';
  /** Id of the policy that requires the enrollment. `null` for the other reasons. */
  policyId: string | null;
  /** Whether the login proved a second factor that the policy does not allow. */
  proved?: true;
}

/** The claims of a token of the kind `enroll`. */
export type EnrollmentTokenClaims = MfaTokenClaims & { enrollment: EnrollmentClaims };

export interface TokenParams {
  kind: MfaTokenKind;
  keyRing: KeyRing;
  /** `iss`. */
  issuer: string;
  lifetimeSeconds: number;
  nowMs: number;
}

/** Signs an mfa_token with the newest key: a JWT in JWS compact serialization (RFC 7519; RFC 7515 §3.1). */
export function signMfaToken(claims: Omit<MfaTokenClaims, 'expiresAtMs'>, params: TokenParams): string {
  const { kind, keyRing, issuer, lifetimeSeconds, nowMs } = params;
  const issuedAt = Math.floor(nowMs / 1000);
  const payload = {
    iss: issuer,
    aud: KINDS[kind].aud,
    sub: claims.userId,
    jti: claims.tokenId,
    stamp: claims.securityStamp,
    // JSON leaves out what is undefined.
    amr: claims.amr?.length ? claims.amr : undefined,
    state: claims.state,
    first: claims.firstFactor,
    cred: claims.credential,
    enroll: claims.enrollment,
    iat: issuedAt,
    exp: issuedAt + lifetimeSeconds,
  };
  const text = `${headerOf(keyRing.newest.id, kind)}.${encode(payload)}`;
  return `${text}.${signatureOf(text, keyRing.newest)}`;
}

/** Reads and checks an mfa_token. Returns `null` if it is malformed, foreign, expired, or has a too long lifetime. */
// S40
export function readMfaToken(token: string, params: TokenParams): MfaTokenClaims | null {
  if (token.length > LONGEST_TOKEN) return null;
  // For the compiler: a missing part has no valid signature, whatever its default.
  const [header = '', payload = '', signature = '', ...others] = token.split('.');
  const key = keysByHeader(params.keyRing, params.kind).get(header);
  if (!key || others.length > 0) return null;
  if (!isSame(signature, signatureOf(`${header}.${payload}`, key))) return null;
  return toClaims(decode(payload), params);
}

/** Whether a Bearer value has the `typ` of a token of this module, valid or not (RFC 7515 §4.1.9). */
export function hasMfaTokenType(token: string): boolean {
  const [header = ''] = token.split('.', 1);
  if (header.length > LONGEST_HEADER) return false;
  const { typ } = decode(header) ?? {};
  return typeof typ === 'string' && TYPES.includes(typ.replace(/^application\//i, '').toLowerCase());
}

/** The signature in base64url without padding. The texts are compared, so only one spelling is accepted. */
function signatureOf(text: string, { tokenKey }: RingKey): string {
  return createHmac(ALGORITHM.hash, tokenKey).update(text).digest('base64url');
}

/** The header segments of own tokens, one for each key. */
const headers: Record<MfaTokenKind, WeakMap<KeyRing, ReadonlyMap<string, RingKey>>> = {
  verify: new WeakMap(),
  enroll: new WeakMap(),
};

/** The keys by header segment. A header is compared, not parsed: any other header belongs to a foreign token. */
// S40
function keysByHeader(ring: KeyRing, kind: MfaTokenKind): ReadonlyMap<string, RingKey> {
  const known = headers[kind].get(ring) ?? new Map(ring.ids.map((id) => [headerOf(id, kind), ring.byId(id)!]));
  headers[kind].set(ring, known);
  return known;
}

function headerOf(keyId: string, kind: MfaTokenKind): string {
  return encode({ alg: ALGORITHM.alg, typ: KINDS[kind].typ, kid: keyId });
}

function encode(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url');
}

/** Parses the JSON of a segment. Returns `null` if it is not JSON. */
function decode(segment: string): Record<string, unknown> | null {
  try {
    return JSON.parse(Buffer.from(segment, 'base64url').toString()) as Record<string, unknown> | null;
  } catch {
    return null;
  }
}

function toClaims(payload: Record<string, unknown> | null, params: TokenParams): MfaTokenClaims | null {
  // Own tokens have no `nbf`, so a token with `nbf` is foreign (RFC 7519 §4.1.5).
  if (payload?.iss !== params.issuer || payload.aud !== KINDS[params.kind].aud || payload.nbf !== undefined)
    return null;
  const { sub, jti, stamp, amr, state, first, cred, enroll, iat, exp } = payload;
  // The type of `sub` is for the compiler: `toUserId` changes every value that is not text.
  if (typeof sub !== 'string' || toUserId(sub) !== sub || typeof jti !== 'string' || !TOKEN_ID.test(jti)) return null;
  if (!isWhole(stamp) || !isWhole(iat) || !isWhole(exp)) return null;
  if ((amr !== undefined && !isAmr(amr, MOST_AMR_OF_TOKEN)) || (state !== undefined && !isSealed(state))) return null;
  if (first !== undefined && !isMethod(first)) return null;
  if (cred !== undefined && !isCredential(cred)) return null;
  const enrollment = params.kind === 'enroll' ? readEnrollment(enroll) : undefined;
  if (enrollment === null) return null;
  const lived = exp - iat;
  // A token with a longer lifetime is foreign.
  if (lived <= 0 || lived > params.lifetimeSeconds || iat * 1000 > params.nowMs + INSTANCE_SKEW_MS) return null;
  const expiresAtMs = exp * 1000;
  // Written so that a clock without a time denies (S45).
  if (!(params.nowMs < expiresAtMs)) return null;
  const claims = { userId: sub, tokenId: jti, securityStamp: stamp, amr, state, firstFactor: first };
  return { ...claims, credential: cred, enrollment, expiresAtMs };
}

/** Own tokens hold nothing else. */
function readEnrollment(value: unknown): EnrollmentClaims | null {
  if (typeof value !== 'object' || value === null) return null;
  const { reason, policyId, proved } = value as Record<keyof EnrollmentClaims, unknown>;
  if (reason !== 'policy' && reason !== 'reset' && reason !== 'recovery') return null;
  if ((reason === 'policy') !== (typeof policyId === 'string') || (proved !== undefined && proved !== true))
    return null;
  return { reason, policyId: reason === 'policy' ? (policyId as string) : null, ...(proved ? { proved } : {}) };
}

function isSealed(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_SEALED;
}

function isCredential(value: unknown): value is string {
  return typeof value === 'string' && CREDENTIAL.test(value);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
