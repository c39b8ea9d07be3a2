import type { VerificationSnapshot } from '../domain/accounts/account.js';
import type { SealedValue } from '../domain/secrets/sealed-value.store.js';
import type { UsageEntry } from '../domain/usage/usage.js';
import type { VerificationAttempt, VerificationFactor } from '../domain/verification/verification.store.js';

/** What a code's shape demands of the account, before it costs an attempt. */
export type CodeShape = Pick<VerificationAttempt, 'digits'>;

/** A right code, not yet spent. */
export interface FactorMatch {
  /** What spending the code writes. */
  entry: UsageEntry;
  /** Where given, must still be the live set when the code is spent. */
  backupSetId?: string;
  /** The authenticator or backup code, whose use is noted when the code is spent. */
  credentialId: string;
  /** What was opened for it. It is re-encrypted after the use if it is under an older key. */
  // S62
  sealed: readonly SealedValue[];
}

/** What evaluating a code found. */
export interface FactorEvaluation {
  /** `null` for a wrong code. */
  match: FactorMatch | null;
  /** For a wrong TOTP code that is right by another clock: how many steps that clock is ahead (negative: behind). */
  skewSteps?: number;
}

/** One kind of second factor. A new one is a class beside these, and no edit of the flow. */
export abstract class MfaFactor {
  /** Names the factor in answers, and its attempt budget. */
  abstract readonly method: VerificationFactor;
  /** What `amr` gains (RFC 8176 §2). */
  abstract readonly amr: readonly string[];

  /** The normalised code's shape, or `null` when it is none of this factor's; what no factor recognises costs no attempt. */
  abstract recognises(code: string): CodeShape | null;

  /** Compares the code with the user's. Neither counts nor spends. */
  abstract evaluate(code: string, snapshot: VerificationSnapshot, nowMs: number): Promise<FactorEvaluation>;
}

/** Injection token of the factors, in the order in which they are asked. */
export const MFA_FACTORS = Symbol.for('nestjs-mfa:factors');
