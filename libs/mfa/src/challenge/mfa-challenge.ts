import { MfaError } from '../domain/mfa-error.js';
import type { MfaLogin, MfaMethod } from '../host/mfa-host.js';
import type { MfaTokenClaims } from './mfa-token.js';

/** What `issue()` and `verify()` return: a login that may have a session, or the second step that it needs. */
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
      /** Proof of the first factor, for `POST /mfa/verify`. Send it in a body, never in a URL, with `Cache-Control: no-store`. */
      mfa_token: string;
      /** What the user can present. */
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
      /** What the user can enroll. */
      enrollmentMethods: MfaMethod[];
      expiresIn: number;
    };

/** An open challenge: what `issue()` returned, without the token. */
export interface MfaOpenChallenge {
  mfaRequired: true;
  methods: MfaMethod[];
  /** Seconds until the token expires. */
  expiresIn: number;
}

/** An mfa_token whose signature and lifetime are right: a user between the first and the second factor. */
export class MfaChallenge {
  readonly userId: string;
  readonly tokenId: string;
  readonly securityStamp: number;
  readonly expiresAt: Date;
  /** Private, so that nothing but a real challenge passes for one, and nothing done to its fields matters. */
  readonly #claims: MfaTokenClaims;

  constructor(claims: MfaTokenClaims) {
    this.userId = claims.userId;
    this.tokenId = claims.tokenId;
    this.securityStamp = claims.securityStamp;
    this.expiresAt = new Date(claims.expiresAtMs);
    this.#claims = { ...claims };
  }

  /**
   * What the token holds. Whether it is spent or revoked is decided where the code is spent.
   * @throws MfaError `MFA_TOKEN_INVALID` for anything but a challenge, such as a field that a client left out
   */
  // S67
  static claimsOf(challenge: MfaChallenge): MfaTokenClaims {
    const given: unknown = challenge;
    if (typeof given !== 'object' || given === null || !(#claims in given)) throw new MfaError('MFA_TOKEN_INVALID');
    return given.#claims;
  }
}
