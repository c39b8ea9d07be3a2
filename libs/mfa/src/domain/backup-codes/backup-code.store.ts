import type { BackupCode } from './backup-code.js';

/** A set of backup codes past its `expiresAtMs`. */
export type ExpiredBackupSet = Pick<BackupCode, 'userId' | 'setId'> & { expiresAtMs: number };

/** Storage port of backup code rows. Every method is one statement unless it says otherwise. */
export abstract class MfaBackupCodeStore {
  /** All or none of them. */
  abstract add(codes: readonly BackupCode[]): Promise<void>;

  /** The codes of a set, used ones included. */
  abstract list(userId: string, setId: string): Promise<BackupCode[]>;

  abstract markUsed(userId: string, id: string, atMs: number): Promise<void>;

  /** Sets or (with `null`) takes away the deadline by which the account must name the set. */
  abstract collectAfter(userId: string, setId: string, expiresAtMs: number | null): Promise<void>;

  /** Removes the usage rows of a set's codes and then the codes (two statements, to be repeated if interrupted). */
  abstract remove(userId: string, setId: string): Promise<void>;

  /** The same of what is still past its deadline: somebody may have taken the set up since it was listed. */
  abstract removeExpired(userId: string, setId: string, beforeMs: number): Promise<void>;

  /** All codes of the user, of whatever set. */
  abstract removeAll(userId: string): Promise<void>;

  /** Up to `limit` sets with `expiresAtMs <= beforeMs`, oldest first. */
  abstract listExpired(beforeMs: number, limit: number): Promise<ExpiredBackupSet[]>;
}
