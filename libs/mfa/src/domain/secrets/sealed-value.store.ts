import type { SealContext } from './sealed-format.js';

/** What a stored value is for; each purpose has a table of its own. */
export type SealedPurpose = Exclude<SealContext['purpose'], 'login-state'>;

export const SEALED_PURPOSES: readonly SealedPurpose[] = ['totp-secret', 'backup-code'];

/** A stored value with its place: `credentialId` is the id of its row. */
export interface SealedValue extends SealContext {
  purpose: SealedPurpose;
  sealed: string;
}

/** A value and what it becomes; both hold the same plaintext for the same place. */
export interface Reencryption extends SealedValue {
  reencrypted: string;
}

/** Storage port of all that is sealed, for re-encryption. Every method is one statement. */
export abstract class MfaSealedValueStore {
  /** How many there are. */
  abstract count(purpose: SealedPurpose): Promise<number>;

  /** Up to `limit` of them whose row id comes after `afterId`, by row id; `''` is before the first. */
  abstract listAfter(purpose: SealedPurpose, afterId: string, limit: number): Promise<SealedValue[]>;

  /**
   * Replaces each value that is still the one that was read. What was enrolled, imported or reencrypted meanwhile
   * stays.
   */
  // S62
  abstract replace(purpose: SealedPurpose, reencryptions: readonly Reencryption[]): Promise<void>;
}
