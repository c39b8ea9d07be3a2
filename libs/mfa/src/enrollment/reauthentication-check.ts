import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { isEnabled, type AccountSnapshot } from '../domain/accounts/account.js';
import { KeyedMutex } from '../domain/attempts/keyed-mutex.js';
import { INSTANCE_SKEW_MS, MfaClock } from '../domain/clock.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaError, type MfaRequiredProof } from '../domain/mfa-error.js';
import { hasProof, readProof } from '../domain/verification/proof.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { MfaMethod } from '../host/mfa-method.js';
import type { MfaPasskeyAssertion } from '../domain/passkeys/passkey-json.js';
import { sessionBinding } from '../host/session-binding.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from '../verification/attempt-limiter.js';
import { ProofVerifier, type Preparation } from '../verification/proof-verifier.js';
import { isProtected } from './change-protection.js';
import type { Enroller } from './enrollers.js';
import { EnrollmentAuthorization } from './enrollment-authorization.js';
import { EnrollmentProof } from './enrollment-proof.js';

/** How old a sign-in may be to count as fresh, in milliseconds. */
// S12
const RECENT_SIGN_IN_MS = 5 * 60 * 1000;
const LONGEST_PASSWORD = 1024;

/** What a caller offers to prove that it is the owner, and not just an open session. */
export interface MfaReauthenticationProof {
  /** A TOTP or backup code, or a code of another factor; spent by the proof. */
  code?: string | null | undefined;
  /** The method of the code. @default the method whose codes have this format */
  method?: MfaMethod | null | undefined;
  /** The response of `navigator.credentials.get()` to options with the purpose `change`; spent by the proof. */
  passkey?: MfaPasskeyAssertion | null | undefined;
  /** The user's password, where the host accepts it instead of a code. */
  password?: string | null | undefined;
}

/** The same, in the request that it came with. */
export interface ReauthenticationRequest extends MfaReauthenticationProof {
  context?: ExecutionContext | undefined;
}

/** Fresh proof before a change of factors: a stolen older session alone changes nothing. */
// S12
@Injectable()
export class ReauthenticationCheck {
  /** One check at a time for each user, so that parallel right passwords do not lock each other out. */
  // S14
  private readonly passwords = new KeyedMutex();

  constructor(
    private readonly verifier: ProofVerifier,
    private readonly limiter: AttemptLimiter,
    private readonly host: MfaHostAccess,
    private readonly enrollmentProof: EnrollmentProof,
    private readonly authorization: EnrollmentAuthorization,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** The proofs of which the next change of this account needs one; empty = a session is enough. */
  async required(snapshot: AccountSnapshot | null, principal: KnownPrincipal): Promise<MfaRequiredProof[]> {
    if (isEnabled(snapshot)) return this.secondFactors(snapshot);
    const proof = await this.enrollmentProof.of(principal);
    return proof === 'session-only' ? [] : [proof];
  }

  /**
   * Before setup. The token of an enrollment needs no further reauthentication, but an authorization.
   * @returns the proofs of which one was needed
   * @throws MfaError `MFA_ENROLLMENT_REQUIRED` for a session after a reset
   */
  async forSetup(
    snapshot: AccountSnapshot,
    { principal, login }: Enroller,
    offered: ReauthenticationRequest,
  ): Promise<MfaRequiredProof[]> {
    if (login) {
      await this.authorization.require(snapshot, login, offered);
      return [];
    }
    // After a reset a login enrolls, as `authorizeEnrollment` or a recovery code permits. A session that it left open and a
    // password do not replace that (S102).
    if (!isEnabled(snapshot) && snapshot.account.mustEnrollSinceMs !== null)
      throw new MfaError('MFA_ENROLLMENT_REQUIRED');
    const required = await this.required(snapshot, principal);
    const [proof] = required;
    if (isEnabled(snapshot)) await this.bySecondFactor(snapshot, principal, offered);
    else if (proof === 'password') await this.byPassword(snapshot, principal, offered);
    else if (proof === 'recent-sign-in') this.byRecentSignIn(principal);
    return required;
  }

  /** For disabling: a second factor, or by option a password. */
  async forDisabling(
    snapshot: AccountSnapshot,
    principal: KnownPrincipal,
    offered: ReauthenticationRequest,
  ): Promise<void> {
    const isPasswordEnough = this.options.disableWithPassword && !isProtected(snapshot, this.factors);
    if (!isPasswordEnough || hasProof(offered)) return this.bySecondFactor(snapshot, principal, offered);
    const { password } = offered;
    if (password !== undefined && password !== null) return this.byPassword(snapshot, principal, offered);
    throw new MfaError('MFA_PROOF_REQUIRED', { proof: [...this.secondFactors(snapshot), 'password'] });
  }

  /**
   * The proof is rejected if the security stamp is no longer that of `snapshot`. A code of a factor that may not prove
   * this change is neither evaluated nor counted nor spent.
   * @param prepare what the change needs, made before the proof is spent
   */
  // S84
  async bySecondFactor(
    snapshot: AccountSnapshot,
    session: Pick<KnownPrincipal, 'sessionId' | 'authenticatedAt'>,
    { context, ...offered }: ReauthenticationRequest,
    prepare?: Preparation,
  ): Promise<void> {
    if (!hasProof(offered)) throw missing(this.secondFactors(snapshot));
    const proof = readProof(offered);
    if (isProtected(snapshot, this.factors)) {
      const factor = this.verifier.factorOf(proof, 'change');
      if (factor && !factor.protectsChanges && factor.method !== 'backup_code')
        throw missing(this.secondFactors(snapshot));
    }
    const { userId, securityStamp } = snapshot.account;
    const binding = sessionBinding(session);
    await this.verifier.verify({ userId, securityStamp, purpose: 'change', binding, context }, proof, prepare);
  }

  /** The second factors that prove a change of this account. */
  secondFactors(snapshot: AccountSnapshot): MfaRequiredProof[] {
    const hasPasskey = this.factors.some((factor) => factor.method === 'passkey' && factor.isAvailable(snapshot));
    if (isProtected(snapshot, this.factors)) return hasPasskey ? ['passkey', 'backup_code'] : ['backup_code'];
    return hasPasskey ? ['code', 'passkey'] : ['code'];
  }

  private byRecentSignIn({ authenticatedAt }: KnownPrincipal): void {
    const age = authenticatedAt ? this.clock.nowMs() - authenticatedAt.getTime() : NaN;
    // A sign-in time in the future does not count, except for a minute of clock skew between instances.
    if (!(age <= RECENT_SIGN_IN_MS && age > -INSTANCE_SKEW_MS)) throw missing(['recent-sign-in']);
  }

  private async byPassword(
    snapshot: AccountSnapshot,
    principal: KnownPrincipal,
    offered: ReauthenticationRequest,
  ): Promise<void> {
    const { password, context } = offered;
    if (password === undefined || password === null || password === '') throw missing(['password']);
    if (typeof password !== 'string' || password.length > LONGEST_PASSWORD) {
      throw new MfaError('MFA_BAD_REQUEST', {
        message: [`password must be a string of at most ${LONGEST_PASSWORD} characters`],
      });
    }
    await this.passwords.run(principal.userId, () => this.checkPassword(snapshot, principal, password, context));
  }

  private async checkPassword(
    snapshot: AccountSnapshot,
    principal: KnownPrincipal,
    password: string,
    context?: ExecutionContext,
  ): Promise<void> {
    await this.limiter.reserve(snapshot.account, 'password', context);
    if ((await this.host.call((host) => host.verifyPassword?.(principal, password, context))) !== true) {
      const { userId } = principal;
      this.events.emit({ type: 'mfa.verification.failed', userId, factor: 'password', failure: 'wrong_code' }, context);
      throw missing(['password'], 'The password was not accepted.');
    }
    await this.limiter.settle(principal.userId, 'password');
    this.events.emit({ type: 'mfa.verification.succeeded', userId: principal.userId, factor: 'password' }, context);
  }
}

function missing(proof: readonly MfaRequiredProof[], message?: string): MfaError {
  return new MfaError('MFA_PROOF_REQUIRED', { ...(message === undefined ? {} : { message }), proof });
}
