import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeAuthenticators } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { loadEnabled } from '../domain/accounts/load-enabled.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { manualKey } from '../domain/totp/otpauth-uri.js';
import { toBase32 } from '../domain/totp/totp.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { eventAuthenticator, MfaEvents } from '../events/mfa-events.js';
import { accountNameOf, knownPrincipal, type KnownPrincipal } from '../host/known-principal.js';
import type { MfaPrincipal, MfaStepUp } from '../host/mfa-host.js';
import { toUserId } from '../host/user-id.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { TotpService } from '../totp/totp.service.js';
import { AuthenticatorConfirmation } from './authenticator-confirmation.js';
import { AuthenticatorRemoval } from './authenticator-removal.js';
import { AuthenticatorSetup } from './authenticator-setup.js';
import { readName } from './authenticator-name.js';
import { FreshProof, type ProofOffered } from './fresh-proof.js';

/** What a person needs to enroll an authenticator app. Show it once, with `Cache-Control: no-store`. */
export interface MfaSetup {
  authenticatorId: string;
  /** Base32, 32 characters for the 20 bytes of SHA1; 52 for SHA256 and 103 for SHA512. */
  secret: string;
  /** The same in groups of four, for typing. */
  manualKey: string;
  otpauthUri: string;
  /** PNG data URL. */
  qrCode: string;
  qrSvg: string;
  /** When the pending secret expires. */
  expiresAt: Date;
}

/** A confirmed enrollment: it counts as a second factor of the running session. */
export interface MfaConfirmation {
  enabled: true;
  /** Only when a set was newly made; shown once. */
  backupCodes?: string[];
  stepUp: MfaStepUp;
}

/** Setup → confirm → remove and disable. Call it outside a database transaction. */
@Injectable()
@ThrowsMfaException()
export class MfaEnrollmentService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly proof: FreshProof,
    private readonly setups: AuthenticatorSetup,
    private readonly confirmation: AuthenticatorConfirmation,
    private readonly removal: AuthenticatorRemoval,
    private readonly totp: TotpService,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Starts an enrollment, or answers with the one under way: same secret, expiry and name (S14, S15).
   * @throws MfaException `MFA_PROOF_REQUIRED` (S12), `MFA_TOO_MANY_AUTHENTICATORS` when no further authenticator fits,
   * `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY`
   */
  async setup(principal: MfaPrincipal, request: ProofOffered & { name?: string } = {}): Promise<MfaSetup> {
    const owner = known(principal);
    const name = readName(request.name);
    // An account name that fits no QR code is refused before anything is counted or written (S20).
    const accountName = await accountNameOf(owner);
    this.totp.otpauthUri(this.totp.generateSecret(), accountName);
    const snapshot = await this.setups.open(owner.userId);
    if (snapshot.account.activeIds.length >= this.options.maxAuthenticators)
      throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
    await this.proof.forSetup(snapshot, owner, request);
    const { authenticator, secret } = await this.setups.pend(snapshot, name);
    const base32 = toBase32(secret);
    const otpauthUri = this.totp.otpauthUri(base32, accountName, authenticator);
    this.events.emit(
      { type: 'mfa.setup.started', userId: owner.userId, authenticator: eventAuthenticator(authenticator) },
      request.context,
    );
    return {
      authenticatorId: authenticator.id,
      secret: base32,
      manualKey: manualKey(base32),
      otpauthUri,
      qrCode: await this.totp.qrCode(otpauthUri),
      qrSvg: await this.totp.qrSvg(otpauthUri),
      expiresAt: new Date(authenticator.expiresAtMs!),
    };
  }

  /**
   * Confirms the pending authenticator by its first code, which is spent (S16).
   * @throws MfaException `MFA_SETUP_NOT_FOUND`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY`
   */
  async confirm(
    principal: Pick<MfaPrincipal, 'userId' | 'sessionId'>,
    code: string,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation> {
    const userId = stored(principal);
    const { codes, remaining, authenticator } = await this.confirmation.confirm(userId, code);
    await this.events.changed(
      { type: 'mfa.authenticator.confirmed', userId, authenticator: eventAuthenticator(authenticator) },
      { enabled: true, sessionId: principal.sessionId ?? undefined, context },
    );
    const mfaAt = new Date(this.clock.nowMs());
    return {
      enabled: true,
      ...(codes ? { backupCodes: codes } : {}),
      stepUp: { userId, amr: ['otp', 'mfa'], mfaAt, factor: 'totp', backupCodesRemaining: remaining },
    };
  }

  /**
   * Removes every authenticator, backup code and outstanding mfa_token of the user (S59).
   * @returns `session`: what `MfaHost.revokeSessions` returned
   * @throws MfaException `MFA_NOT_ENABLED`, `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`
   */
  async disable(principal: MfaPrincipal, offered: ProofOffered): Promise<{ enabled: false; session?: unknown }> {
    const owner = known(principal);
    const snapshot = await loadEnabled(this.accounts, owner.userId);
    await this.proof.forDisabling(snapshot, owner, offered);
    await this.removal.all(owner.userId, snapshot.account.epoch);
    const session = await this.events.changed(
      { type: 'mfa.disabled', userId: owner.userId },
      { enabled: false, sessionId: owner.sessionId, context: offered.context },
    );
    return { enabled: false, ...(session === undefined ? {} : { session }) };
  }

  /**
   * Removes one authenticator; removing the last one is disabling. Outstanding mfa_tokens die.
   * @returns `session`: what `MfaHost.revokeSessions` returned
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND`, and as {@link disable}
   */
  async remove(principal: MfaPrincipal, id: string, offered: ProofOffered): Promise<{ session?: unknown }> {
    const { userId, sessionId } = known(principal);
    const snapshot = await loadEnabled(this.accounts, userId);
    if (!snapshot.account.activeIds.includes(id)) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    await this.proof.byCode(snapshot, offered);
    const anyLeft = await this.removal.one(userId, id);
    const removed = activeAuthenticators(snapshot).find((each) => each.id === id);
    const session = await this.events.changed(
      {
        type: anyLeft ? 'mfa.authenticator.removed' : 'mfa.disabled',
        userId,
        ...(removed ? { authenticator: eventAuthenticator(removed) } : {}),
      },
      { enabled: anyLeft, sessionId, context: offered.context },
    );
    return session === undefined ? {} : { session };
  }

  /**
   * Gives an active authenticator another name.
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND`, `MFA_BAD_REQUEST`
   */
  async rename(
    principal: Pick<MfaPrincipal, 'userId'>,
    id: string,
    name: string,
    context?: ExecutionContext,
  ): Promise<void> {
    const userId = stored(principal);
    const snapshot = await this.accounts.load(userId);
    const found = snapshot && activeAuthenticators(snapshot).find((each) => each.id === id);
    if (!found) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    const renamed = { ...found, name: readName(name) };
    await this.authenticators.rename(userId, id, renamed.name);
    this.events.emit(
      {
        type: 'mfa.authenticator.renamed',
        userId,
        authenticator: eventAuthenticator(renamed),
        previousName: found.name,
      },
      context,
    );
  }
}

/** @throws MfaException `MFA_NOT_AUTHENTICATED` for what is no user id */
function known(principal: MfaPrincipal): KnownPrincipal {
  const found = knownPrincipal(principal);
  if (!found) throw new MfaError('MFA_NOT_AUTHENTICATED');
  return found;
}

function stored({ userId }: Pick<MfaPrincipal, 'userId'>): string {
  const id = toUserId(userId);
  if (id === null) throw new MfaError('MFA_NOT_AUTHENTICATED');
  return id;
}
