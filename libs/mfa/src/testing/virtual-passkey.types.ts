import type { KeyObject } from 'node:crypto';

/** The JSON that `POST /mfa/passkeys/setup` returns as `options`: what a `VirtualPasskey` reads of it. */
export interface VirtualPasskeyCreationOptions {
  rp: { id?: string };
  user: { id: string };
  challenge: string;
  pubKeyCredParams: readonly { alg: number }[];
  excludeCredentials?: readonly { id: string }[];
  authenticatorSelection?: { userVerification?: string };
}

/** The JSON that `POST /mfa/passkeys/options` returns as `options`: what a `VirtualPasskey` reads of it. */
export interface VirtualPasskeyRequestOptions {
  challenge: string;
  rpId?: string;
  allowCredentials?: readonly { id: string }[];
  userVerification?: string;
}

export interface VirtualPasskeyResponse<Response> {
  id: string;
  rawId: string;
  type: 'public-key';
  authenticatorAttachment: 'platform' | 'cross-platform';
  clientExtensionResults: Record<string, never>;
  response: Response;
}

export type VirtualPasskeyTransport = 'ble' | 'cable' | 'hybrid' | 'internal' | 'nfc' | 'smart-card' | 'usb';

/** `RegistrationResponseJSON` of WebAuthn. Bytes are base64url. */
export type VirtualPasskeyRegistration = VirtualPasskeyResponse<{
  clientDataJSON: string;
  attestationObject: string;
  authenticatorData: string;
  transports: VirtualPasskeyTransport[];
  publicKeyAlgorithm: number;
  /** SubjectPublicKeyInfo. */
  publicKey: string;
}>;

/** `AuthenticationResponseJSON` of WebAuthn. Bytes are base64url. */
export type VirtualPasskeyAssertion = VirtualPasskeyResponse<{
  clientDataJSON: string;
  authenticatorData: string;
  signature: string;
  userHandle?: string;
}>;

export interface VirtualPasskeySettings {
  /** The origin of the page, such as `http://localhost:3000`. */
  origin: string;
  /** @default 'ES256' */
  algorithm?: 'ES256' | 'EdDSA' | 'RS256';
  /** `true` for a synced passkey (backup eligible), `false` for a device-bound key. @default false */
  synced?: boolean;
  /** Whether a synced passkey is backed up. @default `synced` */
  backedUp?: boolean;
  /** Whether the authenticator can verify its user by PIN or biometrics. @default true */
  userVerification?: boolean;
  /** The signature counter: 1 at the registration and one more for each assertion, or always 0. @default 'zero' if synced */
  counter?: 'increments' | 'zero';
}

/** Each property replaces a part of a correct response. The signature covers the replaced bytes, so that only the fault is wrong. */
export interface VirtualPasskeyFaults {
  /** Signs other bytes. In `create` it implies `attestation: 'self'`, because `none` has no signature. */
  badSignature?: boolean;
  /** The origin in the client data. */
  origin?: string;
  /** The rp id whose hash is in the authenticator data. */
  rpId?: string;
  /** The challenge in the client data, base64url. */
  challenge?: string;
  /** The type in the client data. */
  type?: string;
  /** `crossOrigin` in the client data. It is `true` by default with `topOrigin`. */
  crossOrigin?: boolean;
  /** `topOrigin` in the client data. */
  topOrigin?: string;
  /** The flag UP. */
  userPresent?: boolean;
  /** The flag UV. It overrides what the options require and what the authenticator can do. */
  userVerified?: boolean;
  /** The flag BE. */
  backupEligible?: boolean;
  /** The flag BS. It is invalid without BE. */
  backedUp?: boolean;
  /** The signature counter of this response, as a clone sends it. The counter of the passkey stays. */
  counter?: number;
  /** The credential id, base64url. `create` registers it, with the key pair that the authenticator has under this id. `get` only sends it. */
  credentialId?: string;
  /** Adds so many bytes to the authenticator data, in a well-formed extension. */
  oversized?: number;
  /** The CBOR of this part ends early. */
  malformed?: 'authenticatorData' | 'attestationObject';
}

export interface VirtualPasskeyCreateFaults extends VirtualPasskeyFaults {
  /** An attestation `packed` that was not asked for: of the passkey itself, with an `x5c` that is not a certificate, or with your `x5c` (DER, P-256, leaf first). */
  attestation?: 'self' | 'x5c' | { x5c: readonly Uint8Array[]; privateKey: KeyObject };
  /** The id of the model, a UUID. @default all zeros */
  aaguid?: string;
  /** The transports, known or not. They are not signed. */
  transports?: readonly string[];
}

export interface VirtualPasskeyGetFaults extends VirtualPasskeyFaults {
  malformed?: 'authenticatorData';
  /** The user handle, base64url. `null` leaves it out. It is not signed. */
  userHandle?: string | null;
}
