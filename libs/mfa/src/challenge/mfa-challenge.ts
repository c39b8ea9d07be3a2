import { MfaError } from '../domain/mfa-error.js';
import type { MfaLogin, MfaMethod } from '../host/mfa-host.js';
import type { MfaTokenClaims } from './mfa-token.js';

/** The result of `issue()`: a login that may have a session, or the second step that it requires. */
export type MfaChallengeResult<S = unknown> =
  | {
      mfaRequired: false;
      enrollmentRequired?: undefined;
      /** Open the host's session with it. */
      login: MfaLogin<S>;
    }
  | {
      mfaRequired: true;
      enrollmentRequired?: undefined;
      /** Proof of the first factor for `POST /mfa/verify`. Return it in a response body with `Cache-Control: no-store`, never in a URL. */
      mfa_token: string;
      /** The methods by which the user can pass the second step. */
      methods: MfaMethod[];
      /** Seconds until the token expires. */
      expiresIn: number;
    }
  | {
      mfaRequired: true;
      /** The user must enroll before a session is opened. */
      enrollmentRequired: true;
      mfa_token: string;
      methods: [];
      /** The methods that the user can enroll. */
      enrollmentMethods: MfaMethod[];
      expiresIn: number;
    };

/** An open challenge: the result of `issue()` without the token. */
export interface MfaOpenChallenge {
  mfaRequired: true;
  methods: MfaMethod[];
  /** Seconds until the token expires. */
  expiresIn: number;
}

/** A user between the first and the second factor: an mfa_token with a right signature and lifetime. */
export class MfaChallenge {
  readonly userId: string;
  readonly tokenId: string;
  readonly securityStamp: number;
  readonly expiresAt: Date;
  /** A private field, so that only a real challenge is accepted, and changes of the public fields have no effect. */
  readonly #claims: MfaTokenClaims;

  constructor(claims: MfaTokenClaims) {
    this.userId = claims.userId;
    this.tokenId = claims.tokenId;
    this.securityStamp = claims.securityStamp;
    this.expiresAt = new Date(claims.expiresAtMs);
    this.#claims = { ...claims };
  }

  /**
   * Returns the claims of a challenge. Whether the token is spent or revoked is checked when the code is spent.
   * @throws MfaError `MFA_TOKEN_INVALID` for any other value, such as a body field that a client left out
   */
  // S67
  static claimsOf(challenge: MfaChallenge): MfaTokenClaims {
    const given: unknown = challenge;
    if (typeof given !== 'object' || given === null || !(#claims in given)) throw new MfaError('MFA_TOKEN_INVALID');
    return given.#claims;
  }
}
