import { Inject, Injectable } from '@nestjs/common';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import type { MfaLogin } from '../host/mfa-host.js';
import type { MfaMethod } from '../host/mfa-method.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import type { FirstFactor } from './first-factor.js';
import { type MfaTokenClaims, readMfaToken, signMfaToken, type TokenParams } from './mfa-token.js';

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

const stateContext = ({ userId, tokenId }: Pick<MfaTokenClaims, 'userId' | 'tokenId'>) =>
  ({ purpose: 'login-state', userId, credentialId: tokenId }) as const;

/** Signs and reads mfa_tokens with the options of the module. Runs no SQL. */
@Injectable()
export class ChallengeTokens {
  constructor(
    private readonly clock: MfaClock,
    private readonly random: MfaRandom,
    private readonly box: SecretBox,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** Signs a new mfa_token. It becomes invalid when the security stamp changes. It contains the state of the login, encrypted. */
  sign(userId: string, securityStamp: number, { amr, state }: FirstFactor = { amr: [] }): string {
    const tokenId = this.random.id();
    const sealed =
      state === undefined ? undefined : this.box.seal(Buffer.from(state), stateContext({ userId, tokenId }));
    return signMfaToken({ userId, tokenId, securityStamp, amr, state: sealed }, this.params());
  }

  /**
   * Reads the challenge of a token. The token may be spent or revoked; a caller that spends it finds that out.
   * @throws MfaError `MFA_TOKEN_INVALID` if it is malformed, foreign or expired
   */
  read(token: string): MfaChallenge {
    const claims = this.claimsOf(token);
    if (!claims) throw new MfaError('MFA_TOKEN_INVALID');
    return new MfaChallenge(claims);
  }

  /** Whether this application signed the token and it has not expired. It may be spent or revoked. */
  isReadable(token: string): boolean {
    return this.claimsOf(token) !== null;
  }

  /**
   * Decrypts the state of the login that was given to `issue()`.
   * @throws MfaError `MFA_TOKEN_INVALID` if it cannot be decrypted
   */
  stateOf(claims: MfaTokenClaims): unknown {
    if (claims.state === undefined) return undefined;
    try {
      return JSON.parse(this.box.open(claims.state, stateContext(claims)).toString());
    } catch (cause) {
      throw new MfaError('MFA_TOKEN_INVALID', { cause });
    }
  }

  private claimsOf(token: unknown): MfaTokenClaims | null {
    return typeof token === 'string' ? readMfaToken(token, this.params()) : null;
  }

  private params(): TokenParams {
    const { keyRing, issuer, challenge } = this.options;
    return { keyRing, issuer, lifetimeSeconds: challenge.lifetimeSeconds, nowMs: this.clock.nowMs() };
  }
}
