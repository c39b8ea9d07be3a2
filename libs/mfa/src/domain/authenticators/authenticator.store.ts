import type { Authenticator } from './authenticator.js';

/** An authenticator row past its `expiresAtMs`. */
export type ExpiredAuthenticator = Pick<Authenticator, 'id' | 'userId'> & { expiresAtMs: number };

/** Storage port of authenticator rows. Every method is one statement. */
export abstract class MfaAuthenticatorStore {
  abstract add(authenticator: Authenticator): Promise<void>;

  /** Names a row of that user; does nothing where there is none. */
  abstract rename(userId: string, id: string, name: string): Promise<void>;

  /** Sets `confirmedAtMs` and ends the pending row's expiry, unless a removal has given it another one meanwhile. */
  abstract confirm(pending: Pick<Authenticator, 'userId' | 'id' | 'expiresAtMs'>, atMs: number): Promise<void>;

  /** Moves `lastUsedAtMs` forward. */
  abstract touch(userId: string, id: string, atMs: number): Promise<void>;

  /** Gives the named rows a deadline by which the account must still name them, or they are collected; `null` takes it away. */
  abstract collectAfter(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void>;

  abstract remove(userId: string, ids: readonly string[]): Promise<void>;

  /** Removes the row if it is still past its deadline: somebody may have taken it up since it was listed. */
  abstract removeExpired(userId: string, id: string, beforeMs: number): Promise<void>;

  /** Removes all rows of the user; returns how many there were. */
  abstract removeAll(userId: string): Promise<number>;

  /** Up to `limit` rows with `expiresAtMs <= beforeMs`, oldest first. */
  abstract listExpired(beforeMs: number, limit: number): Promise<ExpiredAuthenticator[]>;
}
