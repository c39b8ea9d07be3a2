/** A credential row past its `expiresAtMs`. */
export interface ExpiredCredential {
  id: string;
  userId: string;
  expiresAtMs: number;
}

/** What the storage ports of authenticators and of passkeys have in common. Every method is one statement. */
export abstract class CredentialRowsStore {
  /** Changes the name of a credential of the user. Does nothing if it does not exist. */
  abstract rename(userId: string, id: string, name: string): Promise<void>;

  /** Sets the time from which the cleanup may remove the rows, unless the account names them. `null` = never. */
  abstract collectAfter(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void>;

  abstract remove(userId: string, ids: readonly string[]): Promise<void>;

  /** Removes the row if it is still expired. Its expiry may have changed since it was listed. */
  abstract removeExpired(userId: string, id: string, beforeMs: number): Promise<void>;

  /** Removes all rows of the user. Returns how many of them were confirmed. */
  abstract removeAll(userId: string): Promise<number>;

  /** Up to `limit` rows with `expiresAtMs <= beforeMs`, oldest first. */
  abstract listExpired(beforeMs: number, limit: number): Promise<ExpiredCredential[]>;
}
