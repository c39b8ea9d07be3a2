import { Inject, Injectable } from '@nestjs/common';
import { MfaClock } from '../domain/clock.js';
import { credentialVersionMac } from '../domain/devices/device-secret.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import type { MfaLogin } from '../host/mfa-host.js';
import type { MfaMethod } from '../host/mfa-method.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import type { FirstFactor } from './first-factor.js';
import {
  type EnrollmentClaims,
  type EnrollmentTokenClaims,
  type MfaTokenClaims,
  type MfaTokenKind,
  readMfaToken,
  signMfaToken,
  type TokenParams,
} from './mfa-token.js';

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
export type MfaOpenChallenge =
  | {
      mfaRequired: true;
      enrollmentRequired?: undefined;
      methods: MfaMethod[];
      /** Seconds until the token expires. */
      expiresIn: number;
    }
  | {
      mfaRequired: true;
      /** The user must enroll before a session is opened. */
      enrollmentRequired: true;
      methods: [];
      /** The methods that the user can enroll. */
      enrollmentMethods: MfaMethod[];
      expiresIn: number;
    };

/** The details of a login that a token contains encrypted. */
export interface SealedLogin {
  /** The `state` that was given to `issue()`. */
  state?: unknown;
  accountName?: string;
  issuer?: string;
}

/** What a token is signed for. */
export interface SignedLogin {
  userId: string;
  /** Of the account. If it changes, the token is revoked. */
  securityStamp: number;
  first: FirstFactor;
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
  sign(userId: string, securityStamp: number, first: FirstFactor = { amr: [] }): string {
    return this.signed('verify', { userId, securityStamp, first });
  }

  /** Signs the token of an enrollment within a login. */
  signEnrollment(login: SignedLogin, enrollment: EnrollmentClaims): string {
    return this.signed('enroll', login, enrollment);
  }

  private signed(
    kind: MfaTokenKind,
    { userId, securityStamp, first }: SignedLogin,
    enrollment?: EnrollmentClaims,
  ): string {
    const tokenId = this.random.id();
    const text = loginText(first);
    const state = text === null ? undefined : this.box.seal(Buffer.from(text), stateContext({ userId, tokenId }));
    const { amr, firstFactor, credentialVersion } = first;
    // No device is trusted in a login that enrolls.
    const isVerified = kind === 'verify' && credentialVersion !== undefined;
    const credential = isVerified ? this.credentialOf(userId, credentialVersion) : undefined;
    const claims = { userId, tokenId, securityStamp, amr, state, firstFactor, credential, enrollment };
    return signMfaToken(claims, this.params(kind));
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

  /**
   * Reads the token of an enrollment within a login, like {@link read}.
   * @throws MfaError `MFA_TOKEN_INVALID` if it is malformed, foreign, expired, or an mfa_token
   */
  readEnrollment(token: unknown): EnrollmentTokenClaims {
    const claims = this.claimsOf(token, 'enroll');
    if (!claims) throw new MfaError('MFA_TOKEN_INVALID');
    return claims as EnrollmentTokenClaims;
  }

  /** Whether this application signed the token, of either kind, and it has not expired. It may be spent or revoked. */
  isReadable(token: string): boolean {
    return this.claimsOf(token) !== null || this.isEnrollment(token);
  }

  /** The same for a token of an enrollment. */
  isEnrollment(token: string): boolean {
    return this.claimsOf(token, 'enroll') !== null;
  }

  /**
   * Decrypts the details of the login that were given to `issue()`.
   * @throws MfaError `MFA_TOKEN_INVALID` if they cannot be decrypted
   */
  loginOf(claims: MfaTokenClaims): SealedLogin {
    if (claims.state === undefined) return {};
    try {
      return readLoginText(this.box.open(claims.state, stateContext(claims)).toString());
    } catch (cause) {
      throw new MfaError('MFA_TOKEN_INVALID', { cause });
    }
  }

  /** The MAC of the version of the password, with the id of its key. */
  // S111
  private credentialOf(userId: string, version: string | null): string {
    const { newest } = this.options.keyRing;
    return `${newest.id}.${credentialVersionMac(userId, version, newest)}`;
  }

  private claimsOf(token: unknown, kind: MfaTokenKind = 'verify'): MfaTokenClaims | null {
    return typeof token === 'string' ? readMfaToken(token, this.params(kind)) : null;
  }

  private params(kind: MfaTokenKind): TokenParams {
    const { keyRing, issuer, challenge, enrollmentTokenSeconds } = this.options;
    const lifetimeSeconds = kind === 'verify' ? challenge.lifetimeSeconds : enrollmentTokenSeconds;
    return { kind, keyRing, issuer, lifetimeSeconds, nowMs: this.clock.nowMs() };
  }
}

/** The text to seal: account name and issuer as JSON on one line, then the JSON of the state. `null` = nothing to seal. */
function loginText({ accountName, issuer, state }: FirstFactor): string | null {
  const names = accountName === undefined && issuer === undefined ? '' : JSON.stringify({ accountName, issuer });
  return names === '' && state === undefined ? null : `${names}\n${state ?? ''}`;
}

function readLoginText(text: string): SealedLogin {
  const end = text.indexOf('\n');
  const [names, state] = [text.slice(0, end), text.slice(end + 1)];
  return {
    ...(names === '' ? {} : (JSON.parse(names) as Pick<SealedLogin, 'accountName' | 'issuer'>)),
    ...(state === '' ? {} : { state: JSON.parse(state) as unknown }),
  };
}
