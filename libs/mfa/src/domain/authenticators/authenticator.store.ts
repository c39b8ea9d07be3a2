import type { Authenticator } from './authenticator.js';

/** An authenticator row past its `expiresAtMs`. */
export type ExpiredAuthenticator = Pick<Authenticator, 'id' | 'userId'> & { expiresAtMs: number };

/** Storage port of authenticator rows. Every method is one statement. */
export abstract class MfaAuthenticatorStore {
  abstract add(authenticator: Authenticator): Promise<void>;

  /** Changes the name of an authenticator of the user. Does nothing if it does not exist. */
  abstract rename(userId: string, id: string, name: string): Promise<void>;

  /** Sets `confirmedAtMs` and removes the expiry of the pending row. Does nothing if a removal has set another expiry. */
  abstract confirm(pending: Pick<Authenticator, 'userId' | 'id' | 'expiresAtMs'>, atMs: number): Promise<void>;

  /** Sets `lastUsedAtMs`, if it is later than the stored one. */
  abstract touch(userId: string, id: string, atMs: number): Promise<void>;

  /** Sets the time from which the cleanup may remove the rows, unless the account names them. `null` = never. */
  abstract collectAfter(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void>;

  abstract remove(userId: string, ids: readonly string[]): Promise<void>;

  /** Removes the row if it is still expired. Its expiry may have changed since it was listed. */
  abstract removeExpired(userId: string, id: string, beforeMs: number): Promise<void>;

  /** Removes all rows of the user. Returns their number. */
  abstract removeAll(userId: string): Promise<number>;

  /** Up to `limit` rows with `expiresAtMs <= beforeMs`, oldest first. */
  abstract listExpired(beforeMs: number, limit: number): Promise<ExpiredAuthenticator[]>;
}
