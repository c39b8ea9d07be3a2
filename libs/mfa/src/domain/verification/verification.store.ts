import type { CredentialRows, VerificationSnapshot } from '../accounts/account.js';
import type { AttemptFactor, AttemptPolicy } from '../attempts/attempt-policy.js';
import type { PasskeyUse } from '../passkeys/passkey.store.js';
import type { Spending, UsageEntry } from '../usage/usage.js';

/** A credential whose use is recorded with the spending. */
export type CredentialUse =
  | { rows: 'authenticators' | 'backup codes'; id: string }
  | ({ rows: 'passkeys' } & Pick<PasskeyUse, 'id' | 'counter' | 'backedUp' | 'userVerified'>);

/** The user who presents a proof, and what must be true of the account for it. */
export interface VerificationClaim {
  userId: string;
  /**
   * When set, it must be the account's security stamp: that of an mfa_token, or that of the account as it was read
   * before.
   */
  // S43
  securityStamp?: number;
  /** The mfa_token that is spent with the proof. Either both are spent, or neither. */
  // S34
  token?: UsageEntry;
}

/** One attempt, before its code is evaluated. */
export interface VerificationAttempt extends VerificationClaim {
  /** The counters of this attempt. `null` = nothing is counted. */
  budget: AttemptFactor | null;
  rows: CredentialRows;
  /** SHA-256 (hex) of the id of the passkey to read. */
  credentialHash?: string;
  /** A confirmed authenticator must generate codes of this length. Left out = any. */
  digits?: number;
  /** The account must name a factor of this type. Left out = any. */
  type?: string;
  policy: AttemptPolicy;
  nowMs: number;
}

/** The result of a reservation. */
export interface ReservedAttempt {
  /** The account before the reservation. `null` = the user has no MFA account. */
  snapshot: VerificationSnapshot | null;
  /** Whether the attempt was counted, or needs no counting. Evaluate the proof only if `true`. */
  // S50
  reserved: boolean;
}

/** A right code to spend, with the security stamp and the backup set for which it was right. */
export interface VerificationCompletion extends Spending {
  /** The counters that the success settles. `null` = nothing was counted. */
  budget: AttemptFactor | null;
  /** The credential that was used. `null` = its row is the host's. */
  use: CredentialUse | null;
  /** Whether the account had a recovery code when it was read. Only needed where `budget` is `null`: settling ends it. */
  // S104
  endsRecovery: boolean;
  policy: AttemptPolicy;
}

/** Storage port of the two steps around the evaluation of a code. */
export abstract class MfaVerificationStore {
  /**
   * Reads the rows that the factor needs, and counts the attempt as failed. It changes nothing if the claim is not true,
   * MFA is not enabled, no authenticator generates such codes, or the factor is locked, over its daily cap or disabled.
   */
  // S50, S55
  abstract reserveAttempt(attempt: VerificationAttempt): Promise<ReservedAttempt>;

  /**
   * Spends all entries or none. With them, it sets the failures to 0, gives the reservation back, ends a live recovery
   * code, and stores the time of the use. Returns `true` only if every entry was written and the account was as required. `false` = a lost race.
   * Where the use of a passkey lost the race for its counter, the entries may be spent. Where it throws and nothing was
   * spent, the reservation is released in the background.
   */
  // S27–S29, S70, S104
  abstract spendAndSettle(completion: VerificationCompletion): Promise<boolean>;
}
