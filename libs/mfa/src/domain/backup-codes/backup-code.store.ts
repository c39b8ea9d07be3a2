import type { BackupCode } from './backup-code.js';

/** A set of backup codes past its `expiresAtMs`. */
export type ExpiredBackupSet = Pick<BackupCode, 'userId' | 'setId'> & { expiresAtMs: number };

/** Storage port of backup code rows. Every method is one statement unless its docstring differs. */
export abstract class MfaBackupCodeStore {
  /** Inserts all codes or none. */
  abstract add(codes: readonly BackupCode[]): Promise<void>;

  /** Reads the codes of a set, also used ones. */
  abstract list(userId: string, setId: string): Promise<BackupCode[]>;

  abstract markUsed(userId: string, id: string, atMs: number): Promise<void>;

  /** Sets the time from which the cleanup may remove the set, unless the account names it. `null` = never. */
  abstract collectAfter(userId: string, setId: string, expiresAtMs: number | null): Promise<void>;

  /** Removes the usage rows of the codes in a set, then the codes. Two statements; call it again if it was interrupted. */
  abstract remove(userId: string, setId: string): Promise<void>;

  /** Like {@link remove}, if the set is still expired. Its expiry may have changed since it was listed. */
  abstract removeExpired(userId: string, setId: string, beforeMs: number): Promise<void>;

  /** Removes all codes of the user, in every set. Returns their number. */
  abstract removeAll(userId: string): Promise<number>;

  /** Up to `limit` sets with `expiresAtMs <= beforeMs`, oldest first. */
  abstract listExpired(beforeMs: number, limit: number): Promise<ExpiredBackupSet[]>;

  /**
   * Corrects the number of unspent codes in the account row, which the lists of administrators read. Call it after codes
   * were spent in another way than by a verification. One statement more than it changes.
   */
  abstract recount(userId: string): Promise<void>;
}
