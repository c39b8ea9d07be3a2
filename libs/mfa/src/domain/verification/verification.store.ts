import type { VerificationSnapshot } from '../accounts/account.js';
import type { AttemptFactor, AttemptPolicy } from '../attempts/attempt-policy.js';
import type { Spending, UsageEntry } from '../usage/usage.js';

/** What signs in or proves freshness; the other budgets guard an enrollment. */
export type VerificationFactor = Extract<AttemptFactor, 'totp' | 'backup_code'>;

/** The user who presents a proof, and what must be true of the account for it. */
export interface VerificationClaim {
  userId: string;
  /**
   * When set, it must be the account's security stamp: that of an mfa_token, or that of the account as it was read
   * before.
   */
  // S43
  securityStamp?: number;
  /** The mfa_token that is spent with the proof. Either both are spent, or neither (S34). */
  token?: UsageEntry;
}

/** One guess, before it is evaluated. */
export interface VerificationAttempt extends VerificationClaim {
  factor: VerificationFactor;
  /** Where given, a confirmed authenticator must make codes of so many digits. */
  digits?: number;
  policy: AttemptPolicy;
  nowMs: number;
}

export interface ReservedAttempt {
  /** As it was before the reservation; `null` when the user has no account. */
  snapshot: VerificationSnapshot | null;
  /** Whether the attempt was counted: only then may the code be evaluated. */
  // S50
  reserved: boolean;
}

/** A right code, to be spent at the security stamp and backup set under which it was found right. */
export interface VerificationCompletion extends Spending {
  factor: VerificationFactor;
  /** The authenticator or backup code that was used. */
  credentialId: string;
  policy: AttemptPolicy;
}

/** Storage port of the two steps around the evaluation of a code. */
export abstract class MfaVerificationStore {
  /**
   * Reads what the factor needs and counts the attempt as failed, unless the claim does not hold, nothing is
   * enabled, no authenticator makes such codes, or the factor is locked, over its daily cap or disabled: then
   * nothing changes.
   */
  // S50, S55
  abstract reserveAttempt(attempt: VerificationAttempt): Promise<ReservedAttempt>;

  /**
   * Spends all entries or none; with them ends the run of failures, gives the reservation back and notes the use.
   * `true` only if every entry was written and the account was as demanded; a lost race is `false`.
   */
  // S27–S29
  abstract spendAndSettle(completion: VerificationCompletion): Promise<boolean>;
}
