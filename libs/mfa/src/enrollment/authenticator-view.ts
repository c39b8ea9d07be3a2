import type { Authenticator } from '../domain/authenticators/authenticator.js';

/** A confirmed authenticator, as its owner sees it. */
export interface MfaAuthenticatorView {
  id: string;
  /** The kind of credential. */
  type: 'totp';
  name: string;
  /** When its setup started. Unlike the name, it cannot be changed. */
  createdAt: Date;
  /** `null` = not since its confirmation. */
  lastUsedAt: Date | null;
  /** Present only if the secret was imported with fewer than 128 bits. Enroll again to replace it. */
  // S6
  weak?: true;
}

/** The owner's view of an authenticator. */
export function authenticatorView({ id, name, createdAtMs, lastUsedAtMs }: Authenticator): MfaAuthenticatorView {
  return {
    id,
    type: 'totp',
    name,
    createdAt: new Date(createdAtMs),
    lastUsedAt: lastUsedAtMs === null ? null : new Date(lastUsedAtMs),
  };
}
