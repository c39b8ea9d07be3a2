import { createHash } from 'node:crypto';
import { encodeCbor, type CborMap, type CborValue } from './cbor.js';
import { signBytes, type VirtualKey } from './virtual-key.js';
import type { VirtualPasskeyCreateFaults, VirtualPasskeyFaults } from './virtual-passkey.types.js';

/** The flags of authenticator data (WebAuthn, section 6.1). The first four have the names of faults. */
const STATES = { userPresent: 0x01, userVerified: 0x04, backupEligible: 0x08, backedUp: 0x10 };
const ATTESTED = 0x40;
const EXTENDED = 0x80;

type VirtualStates = Record<keyof typeof STATES, boolean>;

/** What a passkey signs. */
export interface SignedParts {
  authenticatorData: Buffer;
  clientData: string;
}

const sha256 = (data: string) => createHash('sha256').update(data).digest();

/** The client data as JSON (WebAuthn, section 5.8.1). */
export function clientDataOf(page: { type: string; challenge: string; origin: string }, faults: VirtualPasskeyFaults) {
  const { type = page.type, challenge = page.challenge, origin = page.origin, topOrigin } = faults;
  const { crossOrigin = topOrigin !== undefined } = faults;
  return JSON.stringify({ type, challenge, origin, crossOrigin, topOrigin });
}

/** WebAuthn, section 6.1. */
export function authenticatorDataOf(
  passkey: { rpId: string; counter: number; states: VirtualStates; attested?: Buffer },
  faults: VirtualPasskeyFaults,
): Buffer {
  const extension = extensionOf(faults);
  const fixed = Buffer.alloc(5);
  fixed[0] = flagsOf(passkey.states, faults) | (passkey.attested ? ATTESTED : 0) | (extension ? EXTENDED : 0);
  fixed.writeUInt32BE(faults.counter ?? passkey.counter, 1);
  const more = [passkey.attested, extension].filter((each) => each !== undefined);
  return Buffer.concat([sha256(faults.rpId ?? passkey.rpId), fixed, ...more]);
}

function flagsOf(states: VirtualStates, faults: VirtualPasskeyFaults): number {
  const set = (Object.keys(STATES) as (keyof VirtualStates)[]).filter((name) => faults[name] ?? states[name]);
  return set.reduce((flags, name) => flags | STATES[name], 0);
}

function extensionOf({ malformed, oversized }: VirtualPasskeyFaults): Buffer | undefined {
  if (malformed === 'authenticatorData') return Buffer.from([0xa1]); // a map of one entry that is not there
  return oversized === undefined ? undefined : encodeCbor(new Map([['padding', Buffer.alloc(oversized)]]));
}

/** WebAuthn, section 6.5.1. */
export function attestedDataOf(id: string, key: VirtualKey, { aaguid = '' }: VirtualPasskeyCreateFaults): Buffer {
  const idBytes = Buffer.from(id, 'base64url');
  const fixed = Buffer.alloc(18);
  fixed.write(aaguid.replaceAll('-', ''), 'hex');
  fixed.writeUInt16BE(idBytes.length, 16);
  return Buffer.concat([fixed, idBytes, encodeCbor(key.cose)]);
}

/** WebAuthn, sections 6.3.3 and 6.5.4. */
export function signatureOf(privateKey: VirtualKey['privateKey'], parts: SignedParts, faults: VirtualPasskeyFaults) {
  const signed = [parts.authenticatorData, sha256(parts.clientData)];
  return signBytes(privateKey, Buffer.concat(faults.badSignature ? signed.toReversed() : signed));
}

export function attestationObjectOf(key: VirtualKey, parts: SignedParts, faults: VirtualPasskeyCreateFaults): Buffer {
  const statement = attestationStatementOf(key, parts, faults);
  const object = new Map<string, CborValue>([
    ['fmt', statement.size === 0 ? 'none' : 'packed'],
    ['attStmt', statement],
    ['authData', parts.authenticatorData],
  ]);
  const encoded = encodeCbor(object);
  if (faults.malformed === 'attestationObject') encoded[0]! += 1; // one entry more than there are
  return encoded;
}

/** Empty for `none`, else of the format `packed` (WebAuthn, section 8.2). */
function attestationStatementOf(key: VirtualKey, parts: SignedParts, faults: VirtualPasskeyCreateFaults): CborMap {
  const { attestation = faults.badSignature ? 'self' : undefined } = faults;
  if (attestation === undefined) return new Map();
  const { x5c, privateKey } =
    typeof attestation === 'object' ? attestation : { x5c: [NOT_X509], privateKey: key.privateKey };
  const statement: CborMap = new Map<string, CborValue>([
    ['alg', typeof attestation === 'object' ? -7 : key.alg],
    ['sig', signatureOf(privateKey, parts, faults)],
  ]);
  return attestation === 'self' ? statement : statement.set('x5c', x5c);
}

/** DER: a sequence of an integer. */
const NOT_X509 = Buffer.from('3003020100', 'hex');
