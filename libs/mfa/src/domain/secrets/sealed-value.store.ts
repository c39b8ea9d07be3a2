import type { SealContext } from './sealed-format.js';

/** The purpose of a stored value. Each purpose has its own table. */
export type SealedPurpose = Exclude<SealContext['purpose'], 'login-state'>;

export const SEALED_PURPOSES: readonly SealedPurpose[] = ['totp-secret', 'backup-code'];

/** A stored value with its context. `credentialId` is the id of its row. */
export interface SealedValue extends SealContext {
  purpose: SealedPurpose;
  sealed: string;
}

/** A stored value and its new encryption. Both contain the same plaintext for the same context. */
export interface Reencryption extends SealedValue {
  reencrypted: string;
}

/** Storage port of all sealed values, for re-encryption. Every method is one statement. */
export abstract class MfaSealedValueStore {
  /** The number of values. */
  abstract count(purpose: SealedPurpose): Promise<number>;

  /** Up to `limit` values in the order of their row ids, after `afterId`. `''` = from the first row. */
  abstract listAfter(purpose: SealedPurpose, afterId: string, limit: number): Promise<SealedValue[]>;

  /**
   * Replaces each value that is still the same as when it was read. A value that was enrolled, imported or re-encrypted
   * since then stays.
   */
  // S62
  abstract replace(purpose: SealedPurpose, reencryptions: readonly Reencryption[]): Promise<void>;
}
