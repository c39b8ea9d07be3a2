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

/** An mfa_token whose signature and lifetime are right: a user between the first and the second factor. */
export class MfaChallenge {
  readonly userId: string;
  readonly tokenId: string;
  readonly epoch: number;
  readonly expiresAt: Date;
  /** Private, so that nothing but a real challenge passes for one, and nothing done to its fields matters. */
  readonly #claims: MfaTokenClaims;

  constructor(claims: MfaTokenClaims) {
    this.userId = claims.userId;
    this.tokenId = claims.tokenId;
    this.epoch = claims.epoch;
    this.expiresAt = new Date(claims.expiresAtMs);
    this.#claims = { ...claims };
  }

  /** What the token says. Whether it is spent or revoked is decided where the code is spent. */
  static claimsOf(challenge: MfaChallenge): MfaTokenClaims {
    return challenge.#claims;
  }
}
