import { CredentialRowsStore } from '../credentials/credential-rows.store.js';
import type { Passkey } from './passkey.js';

/** A use of a passkey to store. */
export interface PasskeyUse extends Pick<Passkey, 'userId' | 'id' | 'backedUp'> {
  /** `from` is the counter that was read, `to` the one that the authenticator signed. `from: null` = any, it only counts. */
  counter: { from: number | null; to: number };
  /** Whether the user was verified this time. Once `true`, the row keeps `true`. */
  userVerified: boolean;
  nowMs: number;
}

/** Storage port of passkey rows. Every method is one statement. */
export abstract class MfaPasskeyStore extends CredentialRowsStore {
  /**
   * Inserts the row. Returns `false` and changes nothing if its `credentialHash` is stored already, for this user or for
   * another one.
   */
  // S81
  abstract add(passkey: Passkey): Promise<boolean>;

  /** The row of this credential, over all users. `null` = none. */
  abstract findByHash(credentialHash: string): Promise<Passkey | null>;

  /** All rows of the user, oldest first, also rows that the account does not name. */
  abstract list(userId: string): Promise<Passkey[]>;

  /**
   * Stores the use, if the counter of the row is still `counter.from`, or that is `null`. Returns `false` and changes nothing if another use
   * was first, or the row does not exist. `lastUsedAtMs` never goes back.
   */
  // S29
  abstract recordUse(use: PasskeyUse): Promise<boolean>;
}
