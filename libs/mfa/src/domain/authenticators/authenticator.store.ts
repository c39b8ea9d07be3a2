import { CredentialRowsStore } from '../credentials/credential-rows.store.js';
import type { Authenticator } from './authenticator.js';

/** Storage port of authenticator rows. Every method is one statement. */
export abstract class MfaAuthenticatorStore extends CredentialRowsStore {
  abstract add(authenticator: Authenticator): Promise<void>;

  /** Sets `confirmedAtMs` and removes the expiry of the pending row. Does nothing if a removal has set another expiry. */
  abstract confirm(pending: Pick<Authenticator, 'userId' | 'id' | 'expiresAtMs'>, atMs: number): Promise<void>;

  /** Sets `lastUsedAtMs`, if it is later than the stored one. */
  abstract touch(userId: string, id: string, atMs: number): Promise<void>;
}
