import { type DecodedCborMap, type DecodedCbor, isDecodedMap, readCbor, readWholeCbor } from './strict-cbor.js';

/** COSE algorithms of passkeys: Ed25519, ES256, RS256. The list is fixed, so all instances accept the same credentials. */
// S85
export const PASSKEY_ALGORITHMS = [-8, -7, -257];

/** Longest client data, attestation object or authenticator data that is decoded, in bytes. Real ones are below 3000. */
const LONGEST_PART = 8192;
/** Longest credential id, in bytes (WebAuthn Level 3 §4). */
const LONGEST_CREDENTIAL_ID = 1023;
/** Lengths of the fixed parts of authenticator data, in bytes (WebAuthn Level 3 §6.1). */
const HEADER_BYTES = 37;
const FLAGS_AT = 32;
const ID_LENGTH_AT = HEADER_BYTES + 16;
const ID_AT = ID_LENGTH_AT + 2;
const HAS_CREDENTIAL = 0x40;
const HAS_EXTENSIONS = 0x80;

/** Decodes base64url without padding. `null` = nothing, another spelling of the bytes, or more than `most` bytes. */
export function decodeBase64url(text: string, most = LONGEST_PART): Uint8Array | null {
  if (text === '' || text.length > Math.ceil((most * 4) / 3)) return null;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}

/** Whether this is the id of a credential: 1 to 1023 bytes in base64url, without padding. */
export function isCredentialId(id: string): boolean {
  return decodeBase64url(id, LONGEST_CREDENTIAL_ID) !== null;
}

/** Whether the client's data is a JSON object of a page that is not in a frame of another origin (WebAuthn Level 3 §5.8.1). */
// S82
export function isOwnClientData(clientDataJSON: string): boolean {
  const bytes = decodeBase64url(clientDataJSON);
  const data = bytes && parseJson(bytes);
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return false;
  const { crossOrigin = false, topOrigin } = data as Record<string, unknown>;
  return crossOrigin === false && topOrigin === undefined;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return null;
  }
}

/**
 * Whether an attestation object has no certificate, and a credential with a public key of an accepted kind and size.
 * Accepted are the formats `none` and `packed` with self attestation, which a browser may pass on (WebAuthn Level 3
 * §5.1.3). Certificates are not evaluated, because the library would load revocation lists for them.
 */
// S82
export function isPlainAttestation(attestationObject: string): boolean {
  const bytes = decodeBase64url(attestationObject);
  const object = bytes && readWholeCbor(bytes);
  if (!object || !isDecodedMap(object)) return false;
  const [format, statement, data] = ['fmt', 'attStmt', 'authData'].map((name) => object.get(name));
  if (!isDecodedMap(statement) || !(data instanceof Uint8Array) || !hasCredential(data)) return false;
  return format === 'none' ? statement.size === 0 : format === 'packed' && isSelfAttestation(statement);
}

const isSelfAttestation = (statement: DecodedCborMap) =>
  statement.size === 2 && typeof statement.get('alg') === 'number' && statement.get('sig') instanceof Uint8Array;

/** Whether authenticator data has exactly one credential, and at most a map of extensions after it. */
function hasCredential(data: Uint8Array): boolean {
  if (data.length <= ID_AT || !(data[FLAGS_AT]! & HAS_CREDENTIAL)) return false;
  const idLength = data[ID_LENGTH_AT]! * 256 + data[ID_LENGTH_AT + 1]!;
  if (idLength === 0 || idLength > LONGEST_CREDENTIAL_ID) return false;
  const key = readCbor(data, ID_AT + idLength);
  return key !== null && isAcceptedKey(key.value) && endsWithExtensions(data, key.end);
}

/** Whether the authenticator data of an assertion is well-formed. It must not have a credential (WebAuthn Level 3 §6.1). */
// S82
export function isAssertedData(authenticatorData: string): boolean {
  const data = decodeBase64url(authenticatorData);
  if (!data || data[FLAGS_AT]! & HAS_CREDENTIAL) return false;
  return endsWithExtensions(data, HEADER_BYTES);
}

/** Whether the data ends at `start`, or after the extensions there. */
function endsWithExtensions(data: Uint8Array, start: number): boolean {
  if (!(data[FLAGS_AT]! & HAS_EXTENSIONS)) return start === data.length;
  const extensions = readCbor(data, start);
  return extensions !== null && isDecodedMap(extensions.value) && extensions.end === data.length;
}

/**
 * Whether a signature is base64url and has the one encoding of its algorithm (WebAuthn Level 3 §6.5.5). The library also
 * accepts an ES256 signature whose DER has a wrong length.
 */
// S82
export function isSignatureBy(publicKey: Uint8Array, signature: string): boolean {
  const bytes = decodeBase64url(signature);
  const key = readWholeCbor(publicKey);
  if (!bytes || !key || !isDecodedMap(key)) return false;
  return key.get(3) !== -7 || isEcdsaSignature(bytes);
}

/** Whether the bytes are the DER of two positive integers of at most 256 bits and nothing else (RFC 3279 §2.2.3). */
function isEcdsaSignature(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2) return false;
  return endOfInteger(bytes, endOfInteger(bytes, 2)) === bytes.length;
}

/** The position after a positive DER integer in its fewest bytes. NaN = there is none. */
function endOfInteger(bytes: Uint8Array, start: number): number {
  const [tag, length = 0, first = 0, second = 0] = bytes.subarray(start, start + 4);
  const isShortest = first === 0 ? second >= 0x80 && length > 1 : first < 0x80;
  return tag === 2 && isShortest && length >= 1 && length <= 33 ? start + 2 + length : NaN;
}

/** Whether the bytes are a COSE public key of an accepted kind and size. */
export function isAcceptedPublicKey(publicKey: Uint8Array): boolean {
  return isAcceptedKey(readWholeCbor(publicKey));
}

/** RFC 9053 §7 for elliptic curves, RFC 8230 §4 for RSA: 2048 to 4096 bits, exponent 65537. A larger key only costs time. */
function isAcceptedKey(key: DecodedCbor): boolean {
  if (!isDecodedMap(key)) return false;
  const [type, algorithm, ...parameters] = [1, 3, -1, -2, -3].map((label) => key.get(label));
  const [first, second, third] = parameters;
  if (algorithm === -7)
    return key.size === 5 && type === 2 && first === 1 && hasBytes(second, 32) && hasBytes(third, 32);
  if (algorithm === -8) return key.size === 4 && type === 1 && first === 6 && hasBytes(second, 32);
  const isRsa = algorithm === -257 && key.size === 4 && type === 3;
  return isRsa && hasBytes(first, 256, 512) && first[0] !== 0 && hasBytes(second, 3) && isUsualExponent(second);
}

const isUsualExponent = ([a, b, c]: Uint8Array) => a === 1 && b === 0 && c === 1;

function hasBytes(value: DecodedCbor | undefined, least: number, most = least): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= least && value.length <= most;
}
