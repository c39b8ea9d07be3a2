import type { AccountSnapshot, VerificationSnapshot } from '../accounts/account.js';
import type { SealedValue } from '../secrets/sealed-value.store.js';
import type { UsageEntry } from '../usage/usage.js';
import type { VerificationAttempt, VerificationFactor } from '../verification/verification.store.js';

/** What the shape of a code requires of the account before it costs an attempt. */
export type CodeShape = Pick<VerificationAttempt, 'digits'>;

/** A right code that is not yet spent. */
export interface FactorMatch {
  /** The usage row that spending the code writes. */
  entry: UsageEntry;
  /** When set, it must still be the live set when the code is spent. */
  backupSetId?: string;
  /** The authenticator or backup code whose use is recorded when the code is spent. */
  credentialId: string;
  /** The sealed values that were opened. They are re-encrypted after the use when their key is an old one. */
  sealed: readonly SealedValue[];
}

/** The result of matching a code. */
export interface FactorEvaluation {
  /** `null` for a wrong code. */
  match: FactorMatch | null;
  /** For a wrong TOTP code that is right by another clock: how many steps that clock is ahead (negative: behind). */
  skewSteps?: number;
}

/** One kind of second factor. A new factor is a folder in `factors/`; the flow stays as it is. */
export abstract class MfaFactor {
  /** The name of the factor in responses and events, and its attempt budget. */
  abstract readonly method: VerificationFactor;
  /** What `amr` gains (RFC 8176 §2). */
  abstract readonly amr: readonly string[];

  /** The shape of a normalised code, or `null` when the code belongs to another factor. */
  abstract recognises(code: string): CodeShape | null;

  /** Compares the code with the credentials of the user. It neither counts nor spends. */
  abstract evaluate(code: string, snapshot: VerificationSnapshot, nowMs: number): Promise<FactorEvaluation>;

  /**
   * Lets the cleanup collect rows that the account is about to drop. It runs before the commit, in case the process
   * ends between the commit and {@link forget}.
   * @param ids the credentials; left out means every row of this factor
   */
  abstract startGrace(snapshot: AccountSnapshot, ids?: readonly string[]): Promise<void>;

  /**
   * Deletes rows that the account no longer names. It runs after the commit.
   * @param ids the credentials; left out means every row of this factor
   */
  abstract forget(snapshot: AccountSnapshot, ids?: readonly string[]): Promise<void>;
}

/** Injection token of the factors. The first one that recognises a code verifies it. */
export const MFA_FACTORS = Symbol.for('nestjs-mfa:factors');
