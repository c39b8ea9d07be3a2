import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { UsageEntry } from '../domain/usage/usage.js';
import type { MfaMethod } from '../host/mfa-host.js';

/** A right code, not yet spent. */
export interface FactorMatch {
  /** What spending the code writes. */
  entry: UsageEntry;
  /** Where given, must still be the live set when the code is spent. */
  backupSetId?: string;
  /** Notes the use for people, once the code is spent. */
  noteUse(nowMs: number): Promise<void>;
}

/** One kind of second factor. A new one is a class beside these, and no edit of the flow. */
export abstract class MfaFactor {
  /** Names the factor in answers, and its attempt budget. */
  abstract readonly method: MfaMethod;
  /** What `amr` gains (RFC 8176 §2). */
  abstract readonly amr: readonly string[];

  /** Whether the normalised code has this factor's shape; what no factor recognises costs no attempt. */
  abstract recognises(code: string, snapshot: AccountSnapshot): boolean;

  /** The match, or `null` for a wrong code. Neither counts nor spends. */
  abstract match(code: string, snapshot: AccountSnapshot, nowMs: number): Promise<FactorMatch | null>;
}

/** Injection token of the factors, in the order in which they are asked. */
export const MFA_FACTORS = Symbol.for('nestjs-mfa:factors');
