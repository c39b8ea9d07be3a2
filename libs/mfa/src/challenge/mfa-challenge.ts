import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { MfaMethod } from '../host/mfa-host.js';
import type { MfaTokenClaims } from './mfa-token.js';

/** What `issue()` answers: whether a second step is needed, and with what. */
export type MfaChallengeResult =
  | { mfaRequired: false }
  | {
      mfaRequired: true;
      /** Proof of the first factor, for `POST /mfa/verify`. Send it in a body, never in a URL, with `Cache-Control: no-store`. */
      mfa_token: string;
      /** What the user can answer with. */
      methods: MfaMethod[];
      /** Seconds until the token expires. */
      expiresIn: number;
    };

/** A checked, unspent mfa_token: a user between the first and the second factor. */
export class MfaChallenge {
  readonly userId: string;
  readonly tokenId: string;
  readonly epoch: number;
  readonly expiresAt: Date;
  /** Private, so that no log or JSON of a challenge shows what was loaded with it (S64). */
  readonly #snapshot: AccountSnapshot;

  constructor(claims: MfaTokenClaims, snapshot: AccountSnapshot) {
    this.userId = claims.userId;
    this.tokenId = claims.tokenId;
    this.epoch = claims.epoch;
    this.expiresAt = new Date(claims.expiresAtMs);
    this.#snapshot = snapshot;
  }

  /** The account as it was when the token was checked. */
  static snapshotOf(challenge: MfaChallenge): AccountSnapshot {
    return challenge.#snapshot;
  }
}
