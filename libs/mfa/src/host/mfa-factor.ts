import type { ExecutionContext } from '@nestjs/common';
import type { MfaMethod } from './mfa-method.js';

/** A code that a user presents for a factor of the host. */
export interface MfaFactorProof {
  /** NFKC, upper case, without white space, dashes and invisible characters; 1 to 64 characters before that. */
  code: string;
  /** The code as the client sent it. */
  typed: string;
}

/** The user of a factor, with the credentials that count. */
export interface MfaFactorUser {
  userId: string;
  /** Ids of the credentials that `MfaEnrollmentService.activate` named. Another credential of the user must not match. */
  ids: readonly string[];
}

/** A right proof of a factor of the host. */
export interface MfaFactorMatch {
  /** The credential that matched: one of `ids`. */
  id: string;
  /**
   * RFC 8176 values of this proof. The module adds `mfa`. It leaves out `hwk`, `swk` and `user`, because a code that a
   * user types can be phished.
   */
  amr: readonly string[];
  /** What the proof spends. The module accepts each `item` once per user, so that a proof cannot be used again. */
  spend: {
    /**
     * The same text for every spelling of one proof of this credential, such as a counter, a time step, or the id of a sent
     * code. Not empty.
     */
    item: string;
    /** When the proof stops being right by itself. The module forgets the item 10 minutes later. `null` = never. */
    expiresAt: Date | null;
  };
}

/** A credential of a factor of the host, for the owner's list. */
export interface MfaFactorCredential {
  id: string;
  name: string;
  createdAt: Date;
  /** `null` = not yet. */
  lastUsedAt: Date | null;
}

/**
 * A second factor that the host defines. It keeps its credentials in a table of the host. The module counts the
 * attempts, spends the proofs, and names the credentials in the account row.
 *
 * Give the class in `MfaModule.forRoot({ factors: [MyFactor] })`. It is a provider of the module, so it injects what the
 * modules in `imports` export. A proof for it is `{ code, method }`: only a request that names its method reaches it.
 * Clients enroll over a route of the host, which calls `MfaEnrollmentService.activate`.
 * @example
 * \@Injectable()
 * export class HotpFactor extends MfaFactor {
 *   readonly method = 'hotp';
 *   readonly budget = 'other';
 *
 *   constructor(\@Inject(HotpTokens) private readonly tokens: HotpTokens) {
 *     super();
 *   }
 *
 *   async match({ code }: MfaFactorProof, { userId, ids }: MfaFactorUser): Promise<MfaFactorMatch | null> {
 *     const found = await this.tokens.find(userId, ids, code);
 *     if (!found) return null;
 *     return { id: found.id, amr: ['otp'], spend: { item: String(found.counter), expiresAt: null } };
 *   }
 *
 *   used(userId: string, { id, spend }: MfaFactorMatch, at: Date) {
 *     return this.tokens.advance(userId, id, { after: spend.item, at });
 *   }
 *
 *   describe(userId: string, ids: readonly string[]) {
 *     return this.tokens.list(userId, ids);
 *   }
 *
 *   forget(userId: string, ids: readonly string[] | null) {
 *     return this.tokens.delete(userId, ids);
 *   }
 * }
 */
export abstract class MfaFactor {
  /** The name in requests, responses, events and the account row: 1 to 12 of `a-z` and `_`. Never change it. */
  abstract readonly method: MfaMethod;

  /**
   * `'other'` = failed attempts are counted, in counters that all factors of the host share. `null` = they are not
   * counted; this also requires {@link unguessable}.
   */
  abstract readonly budget: 'other' | null;

  /** `true` confirms that no proof can be guessed: at least 64 random bits, or a signature. */
  readonly unguessable?: boolean;

  /**
   * `true` = a user who proved this factor can trust the device. Leave it out for a code that you send by e-mail or SMS.
   * @default false
   */
  readonly trustsDevices?: boolean;

  /**
   * Compares a proof with the credentials `ids`. It must not spend anything. `null` = the proof is wrong. Any result that is
   * not a complete match is refused like a wrong proof, and logged. If it throws, the attempt stays counted.
   */
  abstract match(proof: MfaFactorProof, user: MfaFactorUser): Promise<MfaFactorMatch | null> | MfaFactorMatch | null;

  /**
   * Returns what the client needs before it can present a proof; `MfaVerificationService.prepare` calls it. For example,
   * it sends a code. @default `null`
   */
  prepare?(user: MfaFactorUser, context?: ExecutionContext): unknown;

  /** Returns the credentials `ids` that exist, for the status. */
  abstract describe(
    userId: string,
    ids: readonly string[],
  ): Promise<readonly MfaFactorCredential[]> | readonly MfaFactorCredential[];

  /** Deletes the credentials `ids`; `null` = every credential of the user. They no longer count when it is called. */
  abstract forget(userId: string, ids: readonly string[] | null): Promise<unknown> | void;

  /** Renames a credential. Left out = its name cannot be changed: the response is 404 `MFA_AUTHENTICATOR_NOT_FOUND`. */
  rename?(userId: string, id: string, name: string): Promise<unknown> | void;

  /**
   * Called after a proof was accepted and spent, with what {@link match} returned. Use it to store the time of the last use
   * or to advance a counter. An error is only logged, so the spent proof stays refused without it.
   */
  used?(userId: string, match: MfaFactorMatch, at: Date): Promise<unknown> | void;
}
