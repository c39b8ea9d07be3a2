import { EnrollmentProof } from './enrollment-proof.js';
import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { isEnabled, type AccountSnapshot } from '../domain/accounts/account.js';
import { KeyedMutex } from '../domain/attempts/keyed-mutex.js';
import { INSTANCE_SKEW_MS, MfaClock } from '../domain/clock.js';
import { MfaError, type MfaRequiredProof } from '../domain/mfa-error.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptLimiter } from '../verification/attempt-limiter.js';
import { ProofVerifier, type Preparation } from '../verification/proof-verifier.js';

/** How old a sign-in may be to count as fresh, in milliseconds. */
// S12
const RECENT_SIGN_IN_MS = 5 * 60 * 1000;
const LONGEST_PASSWORD = 1024;

/** What a caller offers to prove that it is the owner, and not just an open session. */
export interface MfaReauthenticationProof {
  /** A TOTP or backup code; spent by the proof. */
  code?: string | undefined;
  /** The user's password, where the host accepts it instead of a code. */
  password?: string | undefined;
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
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** What the next change of this account needs: `code` where an authenticator is active; empty = a session is enough. */
  async required(snapshot: AccountSnapshot | null, principal: KnownPrincipal): Promise<MfaRequiredProof[]> {
    if (isEnabled(snapshot)) return ['code'];
    const proof = await this.enrollmentProof.of(principal);
    return proof === 'session-only' ? [] : [proof];
  }

  /**
   * Before setup.
   * @returns the proofs that were needed
   */
  async forSetup(
    snapshot: AccountSnapshot,
    principal: KnownPrincipal,
    offered: ReauthenticationRequest,
  ): Promise<MfaRequiredProof[]> {
    const required = await this.required(snapshot, principal);
    for (const proof of required) {
      if (proof === 'code') await this.byCode(snapshot, offered);
      else if (proof === 'password') await this.byPassword(snapshot, principal, offered);
      else this.byRecentSignIn(principal);
    }
    return required;
  }

  /** For disabling: a code, or by option a password. */
  async forDisabling(
    snapshot: AccountSnapshot,
    principal: KnownPrincipal,
    offered: ReauthenticationRequest,
  ): Promise<void> {
    const { code, password } = offered;
    if (!this.options.disableWithPassword || (code !== undefined && code !== null))
      return this.byCode(snapshot, offered);
    if (password !== undefined && password !== null) return this.byPassword(snapshot, principal, offered);
    throw new MfaError('MFA_PROOF_REQUIRED', { proof: ['code', 'password'] });
  }

  /**
   * The code is rejected if the security stamp is no longer that of `snapshot`.
   * @param prepare what the change needs, made before the code is spent
   */
  async byCode(
    { account }: AccountSnapshot,
    { code, context }: ReauthenticationRequest,
    prepare?: Preparation,
  ): Promise<void> {
    if (code === undefined || code === null) throw missing('code');
    await this.verifier.verify(
      { userId: account.userId, securityStamp: account.securityStamp, context },
      code,
      prepare,
    );
  }

  private byRecentSignIn({ authenticatedAt }: KnownPrincipal): void {
    const age = authenticatedAt ? this.clock.nowMs() - authenticatedAt.getTime() : NaN;
    // A sign-in time in the future does not count, except for a minute of clock skew between instances.
    if (!(age <= RECENT_SIGN_IN_MS && age > -INSTANCE_SKEW_MS)) throw missing('recent-sign-in');
  }

  private async byPassword(
    snapshot: AccountSnapshot,
    principal: KnownPrincipal,
    offered: ReauthenticationRequest,
  ): Promise<void> {
    const { password, context } = offered;
    if (password === undefined || password === null || password === '') throw missing('password');
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
      throw missing('password', 'The password was not accepted.');
    }
    await this.limiter.settle(principal.userId, 'password');
    this.events.emit({ type: 'mfa.verification.succeeded', userId: principal.userId, factor: 'password' }, context);
  }
}

function missing(proof: MfaRequiredProof, message?: string): MfaError {
  return new MfaError('MFA_PROOF_REQUIRED', { ...(message === undefined ? {} : { message }), proof: [proof] });
}
