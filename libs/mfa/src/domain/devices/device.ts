/** A browser or app that a user trusts: its logins require no second factor until it expires. */
export interface TrustedDevice {
  /** The id that lists show. It is not part of the cookie. */
  id: string;
  userId: string;
  /** `cookie` = a browser, whose secret changes at each use; `token` = an app that stores its token itself. */
  kind: 'cookie' | 'token';
  /** SHA-256 (hex) of the lookup id. */
  lookupHash: string;
  /** SHA-256 (hex) of the current secret. */
  secretHash: string;
  /** SHA-256 (hex) of the secret before it. `null` = the secret was not rotated yet. */
  previousHash: string | null;
  rotatedAtMs: number | null;
  /** The key of the ring under which the next secret and `credentialVersion` are computed. */
  keyId: string;
  /** Of the account when the device was trusted. The device is dead under any other one. */
  securityStamp: number;
  /** Keyed MAC of the version of the user's password. At most 64 characters. */
  credentialVersion: string;
  /** The method of the proof by which the device was trusted. */
  method: string;
  /** For the owner's list, such as the user agent. At most 255 characters. Never part of a check. */
  label: string;
  createdAtMs: number;
  lastUsedAtMs: number;
  expiresAtMs: number;
  /** When the proof was given by which the device was trusted. */
  mfaAtMs: number;
}
