import { Inject, Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { isActive, activeAuthenticators } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { loadEnabled } from '../domain/accounts/load-enabled.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { accountLabel, type LabelledAuthenticator, manualKey, otpauthUri } from '../domain/totp/otpauth-uri.js';
import { SECRET_BYTES, toBase32 } from '../domain/totp/totp.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { eventAuthenticator, MfaEvents } from '../events/mfa-events.js';
import { MfaHostAccess } from '../host/host-access.js';
import { accountNameOf, type KnownPrincipal } from '../host/known-principal.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import { type MfaSessionOf, requirePrincipal, requireSession } from '../host/require-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { provedAt } from '../verification/proved-stamp.js';
import { AuthenticatorConfirmation } from './authenticator-confirmation.js';
import { AuthenticatorRemoval } from './authenticator-removal.js';
import { AuthenticatorSetup, type OpenSetup } from './authenticator-setup.js';
import { readName } from './authenticator-name.js';
import { ReauthenticationCheck, type MfaReauthenticationProof } from './reauthentication-check.js';
import { authenticatorView, type MfaAuthenticatorView } from './authenticator-view.js';
import type { MfaConfirmation, MfaRemoval, MfaSetup } from './enrollment-results.js';
import { setupBinding } from './setup-binding.js';
import { SetupImages } from './setup-images.js';

/** As long as a real one, to try whether a label fits. */
const EXAMPLE_ID = '0'.repeat(36);

/** Setup → confirm → remove and disable. Call it outside a database transaction. */
@Injectable()
@ThrowsMfaException()
export class MfaEnrollmentService {
  private readonly logger = new Logger('nestjs-mfa');
  private warned = false;

  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly proof: ReauthenticationCheck,
    private readonly setups: AuthenticatorSetup,
    private readonly confirmation: AuthenticatorConfirmation,
    private readonly removal: AuthenticatorRemoval,
    private readonly images: SetupImages,
    private readonly host: MfaHostAccess,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Starts an enrollment, or resumes the one that this session began: same secret, expiry and name (S14, S15, S79).
   * @throws MfaException `MFA_PROOF_REQUIRED` (S12), `MFA_TOO_MANY_AUTHENTICATORS` when no further authenticator fits,
   * `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY` (also when another session was first)
   */
  async setup(
    principal: MfaPrincipal,
    request: MfaReauthenticationProof & { name?: string } = {},
    context?: ExecutionContext,
  ): Promise<MfaSetup> {
    const owner = requirePrincipal(principal);
    const name = readName(request.name);
    const accountName = await this.host.call(() => accountNameOf(owner));
    // An account name that fits no QR code is refused before anything is counted or written (S20).
    this.tryLabel(owner, accountName);
    const proved = await this.setups.open(owner.userId);
    if (proved.account.activeFactors.length >= this.options.maxAuthenticators)
      throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
    const labelOf = (each: LabelledAuthenticator) => accountLabel(accountName, each, activeAuthenticators(proved));
    this.tryLabel(owner, labelOf({ id: EXAMPLE_ID, name }));
    const needed = await this.proof.forSetup(proved, owner, { ...request, context });
    const setup = await this.setups.pend({ proved, needed, name, binding: this.bindingOf(owner) });
    const { authenticator, secret, resumed } = setup;
    if (!resumed) {
      const { userId } = owner;
      const draft = { type: 'mfa.setup.started', userId, authenticator: eventAuthenticator(authenticator) } as const;
      this.events.emit(draft, context);
      await this.setups.discard(userId, setup.replacedId);
    }
    const { issuer = this.options.issuer } = owner;
    const label = { issuer, accountName: labelOf(authenticator) };
    return this.shown(setup, otpauthUri({ ...label, secret, parameters: authenticator }));
  }

  /**
   * Ends the setup that this session began.
   * @throws MfaException `MFA_SETUP_NOT_FOUND` when there is none, or when another session began it; `MFA_BUSY`
   */
  async cancelSetup(principal: MfaSessionOf, context?: ExecutionContext): Promise<void> {
    const owner = requireSession(principal);
    const { userId } = owner;
    const cancelled = await this.setups.cancel(userId, this.bindingOf(owner));
    const authenticator = eventAuthenticator(cancelled);
    this.events.emit({ type: 'mfa.setup.cancelled', userId, authenticator }, context);
    this.images.forget(cancelled.id);
    await this.setups.discard(userId, cancelled.id);
  }

  /**
   * Confirms the setup of this session by its first code, which is spent (S16).
   * @throws MfaException `MFA_SETUP_NOT_FOUND` when there is none, or when another session began it;
   * `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY`
   */
  async confirm(principal: MfaSessionOf, code: string, context?: ExecutionContext): Promise<MfaConfirmation> {
    const owner = requireSession(principal);
    const { userId, sessionId } = owner;
    const confirmed = await this.confirmation.confirm({ userId, binding: this.bindingOf(owner), code, context });
    const { codes, remaining, authenticator, securityStamp } = confirmed;
    await this.events.changed(
      { type: 'mfa.authenticator.confirmed', userId, authenticator: eventAuthenticator(authenticator) },
      { enabled: true, sessionId, context },
    );
    this.images.forget(authenticator.id);
    await confirmed.tidyUp();
    const mfaAt = new Date(this.clock.nowMs());
    return {
      enabled: true,
      ...(codes ? { backupCodes: codes } : {}),
      stepUp: provedAt(securityStamp, {
        userId,
        amr: ['otp', 'mfa'],
        mfaAt,
        factor: 'totp',
        backupCodesRemaining: remaining,
      }),
    };
  }

  /**
   * Removes every authenticator, backup code and outstanding mfa_token of the user (S59).
   * @returns `session`: what `MfaHost.revokeSessions` returned
   * @throws MfaException `MFA_NOT_ENABLED`, `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`
   */
  async disable(
    principal: MfaPrincipal,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<{ enabled: false; session?: unknown }> {
    const { userId, sessionId, ...owner } = requirePrincipal(principal);
    const snapshot = await loadEnabled(this.accounts, userId);
    await this.proof.forDisabling(snapshot, { ...owner, userId, sessionId }, { ...offered, context });
    const removal = await this.removal.all(userId, snapshot.account.securityStamp);
    const session = await this.events.changed({ type: 'mfa.disabled', userId }, { enabled: false, sessionId, context });
    await removal.tidyUp();
    return { enabled: false, ...(session === undefined ? {} : { session }) };
  }

  /**
   * Removes one authenticator; removing the last one is disabling. Outstanding mfa_tokens die.
   * @returns `removed`: what was removed; `session`: what `MfaHost.revokeSessions` returned
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND`, and as {@link disable}
   */
  async remove(
    principal: MfaPrincipal,
    id: string,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<MfaRemoval> {
    const { userId, sessionId } = requirePrincipal(principal);
    const snapshot = await loadEnabled(this.accounts, userId);
    if (!isActive(snapshot.account, id)) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    await this.proof.byCode(snapshot, { ...offered, context });
    const removal = await this.removal.one(userId, id, snapshot.account.securityStamp);
    const { anyLeft, before } = removal;
    const row = activeAuthenticators(before).find((each) => each.id === id);
    const removed = row && eventAuthenticator(row);
    const session = await this.events.changed(
      {
        type: anyLeft ? 'mfa.authenticator.removed' : 'mfa.disabled',
        userId,
        ...(removed && { authenticator: removed }),
      },
      { enabled: anyLeft, sessionId, context },
    );
    await removal.tidyUp();
    return { enabled: anyLeft, ...(removed && { removed }), ...(session === undefined ? {} : { session }) };
  }

  /**
   * Gives an active authenticator another name.
   * @returns the authenticator with its new name
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND`, `MFA_BAD_REQUEST`
   */
  async rename(
    principal: Pick<MfaPrincipal, 'userId'>,
    id: string,
    name: string,
    context?: ExecutionContext,
  ): Promise<MfaAuthenticatorView> {
    const { userId } = requireSession(principal);
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
    return authenticatorView(renamed);
  }

  /** @throws MfaError `MFA_BAD_REQUEST` for a label that fits no QR code */
  private tryLabel({ issuer = this.options.issuer }: KnownPrincipal, accountName: string): void {
    const { totp } = this.options;
    otpauthUri({ issuer, accountName, secret: new Uint8Array(SECRET_BYTES[totp.algorithm]), parameters: totp });
  }

  private async shown({ authenticator, secret, resumed }: OpenSetup, uri: string): Promise<MfaSetup> {
    const base32 = toBase32(secret);
    return {
      authenticatorId: authenticator.id,
      secret: base32,
      manualKey: manualKey(base32),
      otpauthUri: uri,
      ...(await this.images.of(authenticator, uri)),
      expiresAt: new Date(authenticator.expiresAtMs!),
      resumed,
    };
  }

  /** Warns once where the host names no session: then every repeated setup shows another secret. */
  private bindingOf(owner: KnownPrincipal): string | null {
    const binding = setupBinding(owner);
    if (binding === null && !this.warned) {
      this.warned = true;
      this.logger.warn(
        'MfaHost.principal returned neither `sessionId` nor `authenticatedAt`, so a pending setup is bound to no session: any session of the user can confirm it, and a repeated setup replaces it. Return `sessionId`',
      );
    }
    return binding;
  }
}
