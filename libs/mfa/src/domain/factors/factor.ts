import {
  activeIdsOf,
  type AccountSnapshot,
  type CredentialRows,
  type VerificationSnapshot,
} from '../accounts/account.js';
import type { AttemptFactor } from '../attempts/attempt-policy.js';
import type { SealedValue } from '../secrets/sealed-value.store.js';
import type { UsageEntry } from '../usage/usage.js';
import { isAccepted, isAllowed, type LoginRules } from '../policy/policy.js';
import type { Proof, ProofBinding, ProofPurpose } from '../verification/proof.js';
import type { CredentialUse, VerificationAttempt } from '../verification/verification.store.js';

/** What a proof requires of the account before it costs an attempt, and the one credential that it names. */
export type ProofShape = Pick<VerificationAttempt, 'digits' | 'type' | 'credentialHash'>;

/** A right proof that is not yet spent. */
export interface FactorMatch {
  /** The usage row that spending the proof writes. */
  entry: UsageEntry;
  /** When set, it must still be the live set when the proof is spent. */
  backupSetId?: string;
  /** When set, it must still be the hash of the live recovery code when the proof is spent. */
  recoveryHash?: string;
  /** The credential whose use is recorded when the proof is spent. `null` = the module stores none. */
  use: CredentialUse | null;
  /** The authenticator that made the proof, for the event. Left out = none, or the module does not know it. */
  credential?: Credential;
  /** What `amr` gains (RFC 8176 §2). */
  amr: readonly string[];
  /**
   * Records the use where the module stores no such credential. Runs after the spending, and never throws. `context` is the
   * request, as the framework has it.
   */
  noteUse?: (nowMs: number, context?: unknown) => Promise<void>;
  /** The sealed values that were opened. They are re-encrypted after the use when their key is an old one. */
  sealed: readonly SealedValue[];
}

/** Why a factor refused a proof. */
export type FactorRefusal = 'wrong_code' | 'clock_skew' | 'already_spent' | 'clone_suspected';

/** The result of matching a proof. */
export type FactorEvaluation =
  | { match: FactorMatch }
  | {
      match: null;
      /** @default 'wrong_code' */
      failure?: FactorRefusal;
      /** For a wrong TOTP code that is right by another clock: how many steps that clock is ahead (negative: behind). */
      skewSteps?: number;
      /** For `clone_suspected`: the credential of which a copy may exist. */
      credential?: Credential;
    };

/** What a proof is matched with. */
export interface FactorState {
  /** The account, with the rows that the factor named in {@link Factor.rows}. */
  snapshot: VerificationSnapshot;
  /** The challenge or session that the proof was made for. */
  binding: ProofBinding;
  nowMs: number;
}

/** What the client asks for before it can present a proof. */
export interface PreparationRequest {
  binding: ProofBinding;
  /** What is returned is valid until then, in epoch milliseconds. */
  expiresAtMs: number;
  /** The request, as the framework has it. Only a factor of the host reads it. */
  context: unknown;
}

/** A confirmed credential, as its owner sees it. */
export interface Credential {
  id: string;
  name: string;
  createdAtMs: number;
  /** `null` = not since its confirmation. */
  lastUsedAtMs: number | null;
  /** Present only for an imported secret with fewer than 128 bits. */
  weak?: true;
}

/** One kind of second factor, as the flow sees it. A new factor is a folder in `factors/`; the flow stays as it is. */
export abstract class Factor {
  /** The name of the factor in requests, responses and events, and of its credentials in the account row. */
  abstract readonly method: string;
  /** The counters of its failed attempts. `null` = a proof cannot be guessed, so failed attempts are not counted. */
  abstract readonly budget: AttemptFactor | null;
  /** The rows that a verification reads with the account. */
  abstract readonly rows: CredentialRows;
  /** Whether users can prove and enroll this factor here. Its rows are removed in any case. */
  readonly enabled: boolean = true;
  /** Whether users enroll such a credential. Backup codes are made by the module itself. */
  readonly isEnrollable: boolean = true;
  /** What a proof of this factor may be presented for. */
  readonly purposes: readonly ProofPurpose[] = ['verify', 'step-up', 'change'];
  /** Whether a device can be trusted in a login that proved this factor. */
  // S113
  readonly trustsDevices: boolean = false;
  /** Where the user has such a factor, only it or a backup code proves a change of factors. */
  readonly protectsChanges: boolean = false;

  /**
   * The shape of a proof, or `null` when the proof belongs to another factor.
   * @throws MfaError `MFA_BAD_REQUEST` for a value that has not the form of a proof
   */
  abstract recognises(proof: Proof): ProofShape | null;

  /** Compares the proof with the credentials of the user. It neither counts nor spends. */
  abstract evaluate(proof: Proof, state: FactorState): Promise<FactorEvaluation>;

  /** Whether the user can prove this factor now. */
  isAvailable({ account }: AccountSnapshot): boolean {
    return this.enabled && activeIdsOf(this.method, account.activeFactors).length > 0;
  }

  /** Returns what the client needs before it can present a proof. `null` = nothing. Writes nothing. */
  async prepare(_snapshot: VerificationSnapshot, _request: PreparationRequest): Promise<unknown> {
    return null;
  }

  /** The confirmed credentials, in the order of the account. */
  abstract describe(snapshot: AccountSnapshot): Promise<Credential[]>;

  /** Renames a confirmed credential. Returns `false` where names cannot be changed. */
  abstract rename(userId: string, id: string, name: string): Promise<boolean>;

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

  /** Deletes every row of the user. Returns how many were in use once, as far as the module stores them. */
  abstract purge(userId: string): Promise<number>;
}

/** Injection token of the factors. The first one that recognises a proof verifies it. */
export const MFA_FACTORS = Symbol.for('nestjs-mfa:factors');

/** The methods by which the user can pass a second step. A live factor of an unknown type requires one and gives none. */
export function methodsOf(
  snapshot: AccountSnapshot,
  factors: readonly Factor[],
  rules: LoginRules = { policy: null },
): string[] {
  const { account } = snapshot;
  if (account.activeFactors.length === 0) return [];
  const available = factors.filter((factor) => factor.isAvailable(snapshot)).map(({ method }) => method);
  return available.filter((method) => isAccepted(method, account, rules));
}

/** The methods that users can enroll under these rules. */
export function enrollmentMethodsOf(factors: readonly Factor[], rules: LoginRules): string[] {
  return factors
    .filter(({ method, enabled, isEnrollable }) => enabled && isEnrollable && isAllowed(method, rules))
    .map(({ method }) => method);
}
