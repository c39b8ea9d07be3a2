/** A stored passkey or security key: a public key and what is known about it. Only the account row decides whether it is active. */
export interface Passkey {
  /** Lower-case UUID. */
  id: string;
  userId: string;
  /** The credential id in base64url, at most 1364 characters (1023 bytes, WebAuthn §4). */
  credentialId: string;
  /** SHA-256 (hex) of the bytes of the credential id. Unique over all users. */
  // S81
  credentialHash: string;
  /** The COSE key in base64url (RFC 9052 §7). */
  publicKey: string;
  /** The last signature counter, from 0 to 2^32 - 1. 0 = the authenticator does not count (WebAuthn §6.1.1). */
  counter: number;
  /** How the client reaches the authenticator, such as `internal` or `usb`. Without commas, at most 255 characters in all. */
  transports: readonly string[];
  /** Whether the credential can be synced between devices (flag BE, WebAuthn §6.1.3). */
  backupEligible: boolean;
  /** Whether the credential was synced at its last use (flag BS). */
  backedUp: boolean;
  /** Whether the authenticator has verified the user at least once (flag UV). */
  userVerified: boolean;
  /** The model of the authenticator as a UUID. All zeros where the authenticator does not name it. */
  aaguid: string;
  name: string;
  createdAtMs: number;
  lastUsedAtMs: number | null;
  /** From this time the cleanup may remove the row, unless the account names it. `null` while the account names it. */
  expiresAtMs: number | null;
}
