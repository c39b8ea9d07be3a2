import type { Authenticator } from '../domain/authenticators/authenticator.js';

/** An active authenticator as its owner sees it. */
export interface MfaAuthenticatorView {
  id: string;
  /** The kind of credential. */
  type: 'totp';
  name: string;
  /** When its setup began. Names can be swapped by a rename; this cannot. */
  createdAt: Date;
  /** `null` = not since its confirmation. */
  lastUsedAt: Date | null;
  /** There only when the secret was imported with under 128 bits: enroll again to replace it (S6). */
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
