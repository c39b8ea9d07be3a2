import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeAuthenticators, activeIdsOf } from '../../domain/accounts/account.js';
import { MfaError } from '../../domain/mfa-error.js';
import { accountLabel, type LabelledAuthenticator, manualKey, otpauthUri } from '../../domain/totp/otpauth-uri.js';
import { SECRET_BYTES, toBase32 } from '../../domain/totp/totp.js';
import { AppEnrollment } from '../../enrollment/app-enrollment.js';
import { readName } from '../../enrollment/authenticator-name.js';
import { EnrollmentCompletion } from '../../enrollment/enrollment-completion.js';
import { Enrollers, replacesFactors } from '../../enrollment/enrollers.js';
import type {
  MfaConfirmation,
  MfaEnrolledLogin,
  MfaSetup,
  MfaEnrollmentToken,
} from '../../enrollment/enrollment-results.js';
import { ReauthenticationCheck, type MfaReauthenticationProof } from '../../enrollment/reauthentication-check.js';
import { eventAuthenticator, MfaEvents } from '../../events/mfa-events.js';
import { MfaHostAccess } from '../../host/host-access.js';
import { accountNameOf, type KnownPrincipal } from '../../host/known-principal.js';
import type { MfaPrincipal } from '../../host/mfa-host.js';
import type { MfaSessionOf } from '../../host/require-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
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
    private readonly enrollers: Enrollers,
    private readonly completion: EnrollmentCompletion,
    private readonly host: MfaHostAccess,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  async setup(
    caller: MfaPrincipal | MfaEnrollmentToken,
    request: MfaReauthenticationProof & { name?: string },
    context?: ExecutionContext,
  ): Promise<MfaSetup> {
    const enroller = await this.enrollers.of(caller, 'totp', context);
    const { principal: owner, login } = enroller;
    const name = readName(request.name);
    const accountName = await this.host.call(() => accountNameOf(owner));
    // An account name that fits no QR code is refused before anything is counted or written (S20).
    this.tryLabel(owner, accountName);
    const proved = await this.setups.open(enroller);
    if (
      !replacesFactors(enroller) &&
      activeIdsOf('totp', proved.account.activeFactors).length >= this.options.maxAuthenticators
    )
      throw new MfaError('MFA_TOO_MANY_AUTHENTICATORS');
    const labelOf = (each: LabelledAuthenticator) => accountLabel(accountName, each, activeAuthenticators(proved));
    this.tryLabel(owner, labelOf({ id: EXAMPLE_ID, name }));
    const needed = await this.proof.forSetup(proved, enroller, { ...request, context });
    const setup = await this.setups.pend({ proved, needed, name, binding: enroller.binding, isLogin: login !== null });
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

  async cancelSetup(caller: MfaSessionOf | MfaEnrollmentToken, context?: ExecutionContext): Promise<void> {
    const enroller = await this.enrollers.of(caller, null, context);
    const { userId } = enroller.principal;
    const cancelled = await this.setups.cancel(enroller);
    const authenticator = eventAuthenticator('totp', cancelled);
    this.events.emit({ type: 'mfa.setup.cancelled', userId, authenticator }, context);
    this.images.forget(cancelled.id);
    await this.setups.discard(userId, cancelled.id);
  }

  async confirm(
    caller: MfaSessionOf | MfaEnrollmentToken,
    code: string,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    const enroller = await this.enrollers.of(caller, 'totp', context);
    const { authenticator, ...confirmed } = await this.confirmation.confirm({ enroller, code, context });
    const forgetImage = async () => this.images.forget(authenticator.id);
    const enrolled = {
      ...confirmed,
      authenticator: eventAuthenticator('totp', authenticator),
      amr: ['otp', 'mfa'],
      tidyUp: [forgetImage, ...confirmed.tidyUp],
    };
    return this.completion.complete(enroller, enrolled, context);
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
