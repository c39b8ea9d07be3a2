import { lazy } from '../../domain/lazy.js';
import { MfaError } from '../../domain/mfa-error.js';
import {
  decodeBase64url,
  isAcceptedPublicKey,
  isAssertedData,
  isCredentialId,
  isOwnClientData,
  isPlainAttestation,
  isSignatureBy,
  PASSKEY_ALGORITHMS,
} from './passkey-bytes.js';
import type { MfaPasskeyCreationOptions, MfaPasskeyRequestOptions } from './passkey-ceremony-options.js';
import type { MfaPasskeyAssertion, MfaPasskeyRegistration } from '../../domain/passkeys/passkey-json.js';
import type { CheckedWebAuthnChallenge } from './webauthn-challenge.js';

/** The options of passkeys that a ceremony needs. */
export interface PasskeyParty {
  rpId: string;
  rpName: string;
  origins: readonly string[];
  userVerification: 'preferred' | 'required';
}

/** A stored passkey, as the browser needs it to find the key. */
export interface PasskeyReference {
  /** The credential id in base64url. */
  credentialId: string;
  transports: readonly string[];
}

interface CeremonyParams {
  /** The bytes of a new WebAuthn challenge. */
  challenge: Uint8Array;
  /** Milliseconds until the WebAuthn challenge ends. */
  timeoutMs: number;
}

export interface PasskeyRegistrationParams extends CeremonyParams {
  /** The user handle, 64 random bytes. */
  userHandle: Uint8Array;
  /** What the browser shows, such as the e-mail address. */
  accountName: string;
  /** The passkeys that the user already has. The browser refuses to register one of them again. */
  exclude: readonly PasskeyReference[];
}

export interface PasskeyAssertionParams extends CeremonyParams {
  /** The passkeys of the user. Not empty: without ids the browser would offer every passkey of the site. */
  allow: readonly [PasskeyReference, ...PasskeyReference[]];
}

/** Checks the challenge in the client's data. `null` refuses the response. */
export type WebAuthnChallengeCheck = (challenge: string) => CheckedWebAuthnChallenge | null;

/** A verified registration. Its WebAuthn challenge is not spent yet. */
export interface VerifiedPasskeyRegistration {
  /** The credential id in base64url. */
  credentialId: string;
  /** COSE key (RFC 9052 §7). */
  publicKey: Uint8Array;
  counter: number;
  transports: readonly string[];
  /** Whether the passkey can be synchronised between devices. */
  backupEligible: boolean;
  backedUp: boolean;
  userVerified: boolean;
  /** The model of the authenticator, a lower-case UUID. All zeros = unknown. */
  aaguid: string;
  challenge: CheckedWebAuthnChallenge;
}

/** A verified assertion. Its counter is not compared, and its WebAuthn challenge is not spent yet. */
export interface VerifiedPasskeyAssertion {
  counter: number;
  backedUp: boolean;
  userVerified: boolean;
  challenge: CheckedWebAuthnChallenge;
}

/** The stored passkey that an assertion must match. The caller finds it by user and credential id. */
export interface StoredPasskeyKey {
  credentialId: string;
  /** COSE key (RFC 9052 §7). */
  publicKey: Uint8Array;
  backupEligible: boolean;
  /** The user handle of the account. `null` = it has none. */
  userHandle: Uint8Array | null;
}

/** Imports the optional peer when a ceremony first needs it. No other file imports it. */
const webAuthn = lazy(() => import('@simplewebauthn/server'));

type LibraryTransports = NonNullable<
  Parameters<Awaited<ReturnType<typeof webAuthn>>['generateAuthenticationOptions']>[0]['allowCredentials']
>[number]['transports'];

/**
 * Loads the optional peer. Call it at start where the option `passkeys` is given.
 * @throws MfaError `MFA_MISCONFIGURED` if the package is missing or cannot be loaded
 */
export async function requirePasskeyLibrary(): Promise<void> {
  try {
    await webAuthn();
  } catch (cause) {
    const message =
      'MfaModule: option `passkeys` needs the package @simplewebauthn/server, which cannot be loaded. Install it with: npm install @simplewebauthn/server';
    throw new MfaError('MFA_MISCONFIGURED', { message, cause });
  }
}

/** The options for `navigator.credentials.create` (WebAuthn Level 3 §5.4). */
export async function passkeyRegistrationOptions(
  party: PasskeyParty,
  { challenge, timeoutMs, userHandle, accountName, exclude }: PasskeyRegistrationParams,
): Promise<MfaPasskeyCreationOptions> {
  const { generateRegistrationOptions } = await webAuthn();
  const options = await generateRegistrationOptions({
    rpID: party.rpId,
    rpName: party.rpName,
    userID: new Uint8Array(userHandle),
    userName: accountName,
    userDisplayName: accountName,
    challenge: new Uint8Array(challenge),
    timeout: timeoutMs,
    attestationType: 'none',
    supportedAlgorithmIDs: [...PASSKEY_ALGORITHMS],
    // A new object each time, because the library changes it. Its default is one object for all calls.
    authenticatorSelection: { residentKey: 'preferred', userVerification: party.userVerification },
    excludeCredentials: exclude.map(toDescriptor),
  });
  return options as MfaPasskeyCreationOptions;
}

/** The options for `navigator.credentials.get` (WebAuthn Level 3 §5.5). */
export async function passkeyAssertionOptions(
  party: PasskeyParty,
  { challenge, timeoutMs, allow }: PasskeyAssertionParams,
): Promise<MfaPasskeyRequestOptions> {
  const { generateAuthenticationOptions } = await webAuthn();
  const options = await generateAuthenticationOptions({
    rpID: party.rpId,
    challenge: new Uint8Array(challenge),
    timeout: timeoutMs,
    userVerification: party.userVerification,
    allowCredentials: allow.map(toDescriptor),
  });
  return options as MfaPasskeyRequestOptions;
}

const toDescriptor = ({ credentialId, transports }: PasskeyReference) => ({
  id: credentialId,
  transports: [...transports] as LibraryTransports,
});

/**
 * Verifies the response to a registration (WebAuthn Level 3 §7.1). Returns `null` for every response that is not
 * accepted. It spends nothing.
 */
// S80, S82
export async function verifyPasskeyRegistration(
  response: MfaPasskeyRegistration,
  { party, checkChallenge }: { party: PasskeyParty; checkChallenge: WebAuthnChallengeCheck },
): Promise<VerifiedPasskeyRegistration | null> {
  const { verifyRegistrationResponse } = await webAuthn();
  if (!isCredentialId(response.id) || !isOwnClientData(response.response.clientDataJSON)) return null;
  // The library would parse certificates and load revocation lists, so what has any is refused before the call.
  if (!isPlainAttestation(response.response.attestationObject)) return null;
  return deniedIfThrown(async () => {
    const expected = new ExpectedChallenge(checkChallenge);
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      ...expectationsOf(party, expected),
      response: toLibraryResponse<Parameters<typeof verifyRegistrationResponse>[0]['response']>(response),
      requireUserPresence: true,
      supportedAlgorithmIDs: [...PASSKEY_ALGORITHMS],
    });
    // The library does not compare the id of the response with that of the authenticator.
    if (!verified || !expected.checked || registrationInfo.credential.id !== response.id) return null;
    const { credential, credentialDeviceType, credentialBackedUp, userVerified, aaguid } = registrationInfo;
    return {
      credentialId: credential.id,
      publicKey: credential.publicKey,
      counter: credential.counter,
      transports: [...(response.response.transports ?? [])],
      backupEligible: credentialDeviceType === 'multiDevice',
      backedUp: credentialBackedUp,
      userVerified,
      aaguid,
      challenge: expected.checked,
    };
  });
}

/**
 * Verifies the response to an assertion by a stored passkey (WebAuthn Level 3 §7.2). Returns `null` for every response
 * that is not accepted. It neither compares the counter nor spends anything.
 */
// S80, S82
export async function verifyPasskeyAssertion(
  response: MfaPasskeyAssertion,
  {
    party,
    passkey,
    checkChallenge,
  }: { party: PasskeyParty; passkey: StoredPasskeyKey; checkChallenge: WebAuthnChallengeCheck },
): Promise<VerifiedPasskeyAssertion | null> {
  const { verifyAuthenticationResponse } = await webAuthn();
  if (!isForPasskey(response, passkey) || !isOwnClientData(response.response.clientDataJSON)) return null;
  if (!isAssertedData(response.response.authenticatorData) || !isAcceptedPublicKey(passkey.publicKey)) return null;
  if (!isSignatureBy(passkey.publicKey, response.response.signature)) return null;
  return deniedIfThrown(async () => {
    const expected = new ExpectedChallenge(checkChallenge);
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      ...expectationsOf(party, expected),
      response: toLibraryResponse<Parameters<typeof verifyAuthenticationResponse>[0]['response']>(response),
      // The library compares the counter before the signature. 0 leaves the comparison to `counterVerdict`.
      credential: { id: passkey.credentialId, publicKey: new Uint8Array(passkey.publicKey), counter: 0 },
    });
    const { newCounter, credentialDeviceType, credentialBackedUp, userVerified } = authenticationInfo;
    // The backup eligibility never changes in the life of a credential (WebAuthn Level 3 §6.1.3).
    if (!verified || !expected.checked || (credentialDeviceType === 'multiDevice') !== passkey.backupEligible)
      return null;
    return { counter: newCounter, backedUp: credentialBackedUp, userVerified, challenge: expected.checked };
  });
}

/** Whether the response names this passkey, and no other user (WebAuthn Level 3 §7.2, steps 5 and 6). */
function isForPasskey({ id, response }: MfaPasskeyAssertion, { credentialId, userHandle }: StoredPasskeyKey): boolean {
  if (id !== credentialId) return false;
  if (response.userHandle == null) return true;
  const handle = decodeBase64url(response.userHandle);
  return handle !== null && userHandle !== null && Buffer.from(handle).equals(userHandle);
}

/** Keeps the result of the check that the library runs in the middle of a verification. */
class ExpectedChallenge {
  checked: CheckedWebAuthnChallenge | null = null;

  constructor(private readonly check: WebAuthnChallengeCheck) {}

  /** The library passes on what the client's JSON has, which can be any type. */
  readonly accepts = (challenge: unknown): boolean => {
    this.checked = typeof challenge === 'string' ? this.check(challenge) : null;
    return this.checked !== null;
  };
}

const expectationsOf = ({ rpId, origins, userVerification }: PasskeyParty, expected: ExpectedChallenge) => ({
  expectedChallenge: expected.accepts,
  expectedOrigin: [...origins],
  expectedRPID: rpId,
  requireUserVerification: userVerification === 'required',
});

/** A copy in the library's type. The library reads other fields, too, so it gets only known ones. */
function toLibraryResponse<T>({ id, rawId, type, response }: MfaPasskeyRegistration | MfaPasskeyAssertion): T {
  return { id, rawId, type, response: { ...response }, clientExtensionResults: {} } as T;
}

/** Almost every refusal of the library is a thrown error. */
async function deniedIfThrown<T>(verify: () => Promise<T | null>): Promise<T | null> {
  try {
    return await verify();
  } catch {
    return null;
  }
}
