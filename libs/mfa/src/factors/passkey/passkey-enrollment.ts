import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeIdsOf, type AccountSnapshot } from '../../domain/accounts/account.js';
import { MfaAccountStore } from '../../domain/accounts/account.store.js';
import { ORPHAN_GRACE_MS } from '../../domain/accounts/orphan-grace.js';
import { MfaClock } from '../../domain/clock.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { Passkey } from '../../domain/passkeys/passkey.js';
import { MfaPasskeyStore } from '../../domain/passkeys/passkey.store.js';
import { MfaRandom } from '../../domain/random.js';
import { CLOCK_SKEW_MS } from '../../domain/usage/usage.js';
import { readName } from '../../enrollment/authenticator-name.js';
import { EnrollmentCompletion } from '../../enrollment/enrollment-completion.js';
import { accountOf, type Enroller, Enrollers, replacesFactors, requireHolding } from '../../enrollment/enrollers.js';
import type { MfaConfirmation, MfaEnrolledLogin, MfaEnrollmentToken } from '../../enrollment/enrollment-results.js';
import { ReauthenticationCheck, type MfaReauthenticationProof } from '../../enrollment/reauthentication-check.js';
import { eventAuthenticator, MfaEvents } from '../../events/mfa-events.js';
import { MfaHostAccess } from '../../host/host-access.js';
import { accountNameOf } from '../../host/known-principal.js';
import type { MfaFailureReason } from '../../host/mfa-event.js';
import type { MfaPrincipal } from '../../host/mfa-host.js';
import type { MfaSessionOf } from '../../host/require-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { requirePasskeys, type ResolvedPasskeys } from '../../options/resolve-passkeys.js';
import { FactorActivation, hasSameFactors, type ActivatedFactor } from '../backup-codes/factor-activation.js';
import {
  passkeyRegistrationOptions,
  verifyPasskeyRegistration,
  type VerifiedPasskeyRegistration,
} from './passkey-ceremonies.js';
import type { MfaPasskeyCreationOptions } from './passkey-ceremony-options.js';
import { readRegistration } from './passkey-response.js';
import { activePasskeys, credentialHash, webAuthnEntry } from './passkey.factor.js';
import { registerState, webAuthnExpiry, type WebAuthnClaim, WebAuthnChallenges } from './webauthn-challenge.js';

const DEFAULT_NAME = 'Passkey';
const HANDLE_BYTES = 64;

/** The options of a registration, with the time until which its WebAuthn challenge is accepted. */
export interface MfaPasskeySetup {
  /** For `navigator.credentials.create`. */
  options: MfaPasskeyCreationOptions;
  expiresAt: Date;
}

/** A registration whose response was right. */
interface RegistrationAttempt {
  /** The account for which it was right. */
  proved: AccountSnapshot;
  verified: VerifiedPasskeyRegistration;
  reject: (failure: MfaFailureReason) => MfaError;
  context: ExecutionContext | undefined;
}

/** Setup and confirmation of a passkey, with their events. */
@Injectable()
export class PasskeyEnrollment {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly passkeys: MfaPasskeyStore,
    private readonly challenges: WebAuthnChallenges,
    private readonly proof: ReauthenticationCheck,
    private readonly activation: FactorActivation,
    private readonly enrollers: Enrollers,
    private readonly completion: EnrollmentCompletion,
    private readonly host: MfaHostAccess,
    private readonly events: MfaEvents,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  async setup(
    caller: MfaPrincipal | MfaEnrollmentToken,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<MfaPasskeySetup> {
    const enroller = await this.enrollers.of(caller, 'passkey', context);
    const { principal: owner } = enroller;
    const { userId } = owner;
    const accountName = await this.host.call(() => accountNameOf(owner));
    const proved = await accountOf(this.accounts, enroller, this.clock.nowMs());
    this.requireRoom(proved, enroller);
    await this.proof.forSetup(proved, enroller, { ...offered, context });
    const fresh = Buffer.from(this.random.bytes(HANDLE_BYTES)).toString('base64url');
    const handle = proved.account.userHandle ?? (await this.accounts.claimUserHandle(userId, fresh));
    const nowMs = this.clock.nowMs();
    const expiresAtMs = webAuthnExpiry(nowMs);
    // The account as it was proved: a change since then makes the challenge useless (S84).
    const claim = this.claimOf(proved, enroller);
    const options = await passkeyRegistrationOptions(this.party, {
      challenge: this.challenges.issue(claim, { nowMs, expiresAtMs, random: this.random }),
      timeoutMs: expiresAtMs - nowMs,
      userHandle: Buffer.from(handle, 'base64url'),
      accountName,
      exclude: activePasskeys(proved, await this.passkeys.list(userId)),
    });
    this.events.emit({ type: 'mfa.setup.started', userId, method: 'passkey' }, context);
    return { options, expiresAt: new Date(expiresAtMs) };
  }

  async confirm(
    caller: MfaSessionOf | MfaEnrollmentToken,
    request: { name?: string | null | undefined; passkey: unknown },
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    const enroller = await this.enrollers.of(caller, 'passkey', context);
    const { principal, login } = enroller;
    const { userId } = principal;
    const name = readName(request.name ?? DEFAULT_NAME);
    const response = readRegistration(request.passkey);
    const reject = (failure: MfaFailureReason) => this.reject(userId, failure, context);
    const snapshot = await this.accounts.load(userId, login?.spend.item);
    requireHolding(enroller, snapshot);
    const claim = snapshot && this.claimOf(snapshot, enroller);
    const verified =
      claim &&
      (await verifyPasskeyRegistration(response, {
        party: this.party,
        checkChallenge: (challenge) => this.challenges.check(challenge, claim, this.clock.nowMs()),
      }));
    if (!verified) throw reject('wrong_code');
    this.requireRoom(snapshot, enroller);
    const passkey = this.rowOf(userId, name, verified);
    if (!(await this.store(passkey))) throw reject('already_spent');
    const activated = await this.activate(enroller, passkey, { proved: snapshot, verified, reject, context });
    const enrolled = {
      ...activated,
      securityStamp: activated.after.account.securityStamp,
      authenticator: eventAuthenticator('passkey', passkey),
      // A registration proves that the key exists, and not by what the user will sign in, so it adds `mfa` alone.
      amr: ['mfa'],
      tidyUp: [() => this.passkeys.collectAfter(userId, [passkey.id], null), ...activated.tidyUp],
    };
    return this.completion.complete(enroller, enrolled, context);
  }

  private activate(
    enroller: Enroller,
    passkey: Passkey,
    { proved, verified, reject, context }: RegistrationAttempt,
  ): Promise<ActivatedFactor> {
    const { userId, id, expiresAtMs } = passkey;
    return this.activation.activate({
      enroller,
      proved,
      factor: { type: 'passkey', id },
      authenticator: eventAuthenticator('passkey', passkey),
      context,
      entry: webAuthnEntry(verified.challenge),
      // The cleanup may have collected a row whose grace is over.
      isCurrent: (current) => hasSameFactors(current, proved) && this.clock.nowMs() < expiresAtMs!,
      reject,
      discard: () => this.passkeys.remove(userId, [id]),
    });
  }

  /**
   * Inserts the row. A row that holds the credential and that no account names is replaced when its grace is over.
   * @returns `false` where the credential belongs to a user
   */
  // S81
  private async store(passkey: Passkey): Promise<boolean> {
    if ((await this.passkeys.add(passkey)) === true) return true;
    const holder = await this.passkeys.findByHash(passkey.credentialHash);
    if (holder && !(await this.discardUnnamed(holder))) return false;
    return (await this.passkeys.add(passkey)) === true;
  }

  /** Deletes a row that no account names, as the cleanup does. Returns `false` if it must stay. */
  private async discardUnnamed({ userId, id, expiresAtMs }: Passkey): Promise<boolean> {
    // The clocks of two instances may differ, and a registration that is not committed yet has a row with an expiry. A row
    // without one was named before, so its removal was interrupted.
    const latestMs = this.clock.nowMs() - CLOCK_SKEW_MS;
    if (expiresAtMs !== null && expiresAtMs > latestMs) return false;
    const account = (await this.accounts.load(userId))?.account;
    if (account && activeIdsOf('passkey', account.activeFactors).includes(id)) return false;
    // A change that read the account earlier and is not committed yet then fails its compare-and-swap.
    if (account && (await this.accounts.tryCommit(userId, account.rowVersion, {})) !== true) return false;
    await this.passkeys.remove(userId, [id]);
    return true;
  }

  private rowOf(userId: string, name: string, verified: VerifiedPasskeyRegistration): Passkey {
    const { credentialId, publicKey, counter, transports, aaguid } = verified;
    const { backupEligible, backedUp, userVerified } = verified;
    const nowMs = this.clock.nowMs();
    return {
      ...{ id: this.random.id(), userId, name },
      ...{ credentialId, credentialHash: credentialHash(credentialId) },
      publicKey: Buffer.from(publicKey).toString('base64url'),
      ...{ counter, transports, aaguid, backupEligible, backedUp, userVerified },
      ...{ createdAtMs: nowMs, lastUsedAtMs: null, expiresAtMs: nowMs + ORPHAN_GRACE_MS },
    };
  }

  private get party(): ResolvedPasskeys {
    return requirePasskeys(this.options);
  }

  private claimOf({ account }: AccountSnapshot, { binding }: Enroller): WebAuthnClaim {
    const { userId, securityStamp } = account;
    const { rpId } = this.party;
    return { purpose: 'register', userId, securityStamp, binding, rpId, state: registerState(account) };
  }

  private requireRoom({ account }: AccountSnapshot, enroller: Enroller): void {
    if (replacesFactors(enroller)) return;
    if (activeIdsOf('passkey', account.activeFactors).length >= this.party.max)
      throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
  }

  private reject(userId: string, failure: MfaFailureReason, context?: ExecutionContext): MfaError {
    this.events.refused({ type: 'mfa.verification.failed', userId, factor: 'confirmation', failure }, context);
    return new MfaError('MFA_CODE_REJECTED');
  }
}
