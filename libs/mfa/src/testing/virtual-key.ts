import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { CborMap } from './cbor.js';

/** A key pair of a virtual passkey. */
export interface VirtualKey {
  /** COSE algorithm (RFC 9053 and 8812). */
  alg: number;
  /** COSE_Key (RFC 9052, section 7). */
  cose: CborMap;
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer;
  privateKey: KeyObject;
}

const COSE_ALGORITHMS = { ES256: -7, EdDSA: -8, RS256: -257 };

export function generateVirtualKey(algorithm: keyof typeof COSE_ALGORITHMS): VirtualKey {
  const { publicKey, privateKey } = keyPairOf(algorithm);
  const alg = COSE_ALGORITHMS[algorithm];
  return { alg, cose: coseKey(alg, publicKey), spki: publicKey.export({ type: 'spki', format: 'der' }), privateKey };
}

function keyPairOf(algorithm: keyof typeof COSE_ALGORITHMS): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return algorithm === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('rsa', { modulusLength: 2048 });
}

function coseKey(alg: number, publicKey: KeyObject): CborMap {
  const jwk = publicKey.export({ format: 'jwk' });
  const bytes = (text = '') => Buffer.from(text, 'base64url');
  const [kty, crv] = { EC: [2, 1], OKP: [1, 6], RSA: [3] }[jwk.kty as 'EC' | 'OKP' | 'RSA'];
  const key: CborMap = new Map([
    [1, kty!],
    [3, alg],
  ]);
  if (crv === undefined) return key.set(-1, bytes(jwk.n)).set(-2, bytes(jwk.e));
  key.set(-1, crv).set(-2, bytes(jwk.x));
  return jwk.y === undefined ? key : key.set(-3, bytes(jwk.y));
}

/** ECDSA signatures are DER (WebAuthn, section 6.5.5). Ed25519 takes no digest. */
export function signBytes(privateKey: KeyObject, bytes: Buffer): Buffer {
  return sign(privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, privateKey);
}
