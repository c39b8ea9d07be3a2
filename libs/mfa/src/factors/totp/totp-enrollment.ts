import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeAuthenticators, activeIdsOf } from '../../domain/accounts/account.js';
import { MfaClock } from '../../domain/clock.js';
import { MfaError } from '../../domain/mfa-error.js';
import { accountLabel, type LabelledAuthenticator, manualKey, otpauthUri } from '../../domain/totp/otpauth-uri.js';
import { SECRET_BYTES, toBase32 } from '../../domain/totp/totp.js';
import { AppEnrollment } from '../../enrollment/app-enrollment.js';
import { amrAfterProof } from '../../domain/verification/proof.js';
import { readName } from '../../enrollment/authenticator-name.js';
import type { MfaConfirmation, MfaSetup } from '../../enrollment/enrollment-results.js';
import { ReauthenticationCheck, type MfaReauthenticationProof } from '../../enrollment/reauthentication-check.js';
import { eventAuthenticator, MfaEvents } from '../../events/mfa-events.js';
import { SetupBinding } from '../../host/session-binding.js';
import { MfaHostAccess } from '../../host/host-access.js';
import { accountNameOf, type KnownPrincipal } from '../../host/known-principal.js';
import type { MfaPrincipal } from '../../host/mfa-host.js';
import { type MfaSessionOf, requirePrincipal, requireSession } from '../../host/require-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { provedAt } from '../../verification/proof-verifier.js';
import { SetupImages } from './setup-images.js';
import { TotpConfirmation } from './totp-confirmation.js';
import { TotpSetup, type OpenSetup } from './totp-setup.js';

/** As long as a real id, to check whether a label fits. */
const EXAMPLE_ID = '0'.repeat(36);

/** Setup, confirmation and cancellation of an authenticator app, with their events. */
@Injectable()
export class TotpEnrollment extends AppEnrollment {
  constructor(
    private readonly proof: ReauthenticationCheck,
    private readonly setups: TotpSetup,
    private readonly confirmation: TotpConfirmation,
    private readonly images: SetupImages,
    private readonly bindings: SetupBinding,
    private readonly host: MfaHostAccess,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  async setup(
    principal: MfaPrincipal,
    request: MfaReauthenticationProof & { name?: string },
    context?: ExecutionContext,
  ): Promise<MfaSetup> {
    const owner = requirePrincipal(principal);
    const name = readName(request.name);
    const accountName = await this.host.call(() => accountNameOf(owner));
    // An account name that fits no QR code is refused before anything is counted or written (S20).
    this.tryLabel(owner, accountName);
    const proved = await this.setups.open(owner.userId);
    if (activeIdsOf('totp', proved.account.activeFactors).length >= this.options.maxAuthenticators)
      throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
    const labelOf = (each: LabelledAuthenticator) => accountLabel(accountName, each, activeAuthenticators(proved));
    this.tryLabel(owner, labelOf({ id: EXAMPLE_ID, name }));
    const needed = await this.proof.forSetup(proved, owner, { ...request, context });
    const setup = await this.setups.pend({ proved, needed, name, binding: this.bindings.of(owner) });
    const { authenticator, secret, resumed } = setup;
    if (!resumed) {
      const { userId } = owner;
      const started = { method: 'totp', authenticator: eventAuthenticator('totp', authenticator) } as const;
      this.events.emit({ type: 'mfa.setup.started', userId, ...started }, context);
      await this.setups.discard(userId, setup.replacedId);
    }
    const { issuer = this.options.issuer } = owner;
    const label = { issuer, accountName: labelOf(authenticator) };
    return this.shown(setup, otpauthUri({ ...label, secret, parameters: authenticator }));
  }

  async cancelSetup(principal: MfaSessionOf, context?: ExecutionContext): Promise<void> {
    const owner = requireSession(principal);
    const { userId } = owner;
    const cancelled = await this.setups.cancel(userId, this.bindings.of(owner));
    const authenticator = eventAuthenticator('totp', cancelled);
    this.events.emit({ type: 'mfa.setup.cancelled', userId, authenticator }, context);
    this.images.forget(cancelled.id);
    await this.setups.discard(userId, cancelled.id);
  }

  async confirm(principal: MfaSessionOf, code: string, context?: ExecutionContext): Promise<MfaConfirmation> {
    const owner = requireSession(principal);
    const { userId, sessionId } = owner;
    const confirmed = await this.confirmation.confirm({ userId, binding: this.bindings.of(owner), code, context });
    const { codes, remaining, authenticator, securityStamp } = confirmed;
    await this.events.changed(
      { type: 'mfa.authenticator.confirmed', userId, authenticator: eventAuthenticator('totp', authenticator) },
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
        amr: amrAfterProof(owner.amr, ['otp', 'mfa']),
        mfaAt,
        factor: 'totp',
        backupCodesRemaining: remaining,
      }),
    };
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
}
