import {
  Controller,
  Get,
  HttpCode,
  Patch,
  Post,
  Req,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type Type,
} from '@nestjs/common';
import { MfaChallengeService } from '../challenge/challenge.service.js';
import type { MfaOpenChallenge } from '../challenge/mfa-challenge.js';
import { MfaDeviceService } from '../devices/device.service.js';
import { MfaBackupCodeService } from '../factors/backup-codes/backup-code.service.js';
import { MfaPasskeyService } from '../factors/passkey/passkey.service.js';
import type { MfaPasskeyOptionsResult } from '../factors/passkey/passkey.factor.js';
import { MfaEnrollmentService } from '../enrollment/enrollment.service.js';
import { MfaException } from '../errors/mfa.exception.js';
import {
  EitherCallerRoute,
  EnrollmentRoute,
  LoginRoute,
  PrincipalRoute,
  VerificationRoute,
} from '../guard/decorators.js';
import { MfaGuard } from '../guard/mfa.guard.js';
import { challengeOf, knownChallengeOf, requireLoginToken } from '../guard/route-access.js';
import type { ResolvedHttpOptions } from '../options/resolve-http.js';
import { MfaStatusService } from '../status/status.service.js';
import { StepUpCompletion } from '../verification/step-up-completion.js';
import { MfaVerificationService, type MfaLoginProof, type MfaProof } from '../verification/verification.service.js';
import { BuiltInRoutes } from './built-in-routes.js';
import { decorateRoutes } from './decorate-routes.js';
import { EnrollmentResponses } from './enrollment-responses.js';
import { DevicesEnabledGuard, JsonBodyGuard, PasskeysEnabledGuard, StepUpEnabledGuard } from './route.guards.js';
import { MfaExceptionFilter } from './mfa-exception.filter.js';
import { idOf, RequestReader, type RouteRequest } from './request-reader.js';

/** Makes the built-in controllers. Each `forRoot` needs classes of its own, because prefix and decorators differ. */
export function createMfaControllers({ prefix, publicDecorators, decorators }: ResolvedHttpOptions): Type[] {
  // No MfaGuard here: @VerificationRoute() brings it.
  @BuiltInRoutes()
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(JsonBodyGuard)
  @UseFilters(MfaExceptionFilter)
  class MfaVerificationController {
    constructor(
      private readonly verification: MfaVerificationService,
      private readonly challenges: MfaChallengeService,
      private readonly passkeys: MfaPasskeyService,
      private readonly requests: RequestReader,
    ) {}

    @Post('verify')
    @HttpCode(200)
    @VerificationRoute()
    async verify(@Req() request: RouteRequest): Promise<unknown> {
      const { context, body } = await this.requests.read(request, 'LoginProofBody');
      return this.verification.login(challengeOf(context), body as MfaLoginProof, context);
    }

    @Post('passkeys/options')
    @HttpCode(200)
    @UseGuards(PasskeysEnabledGuard)
    @EitherCallerRoute()
    async passkeyOptions(@Req() request: RouteRequest): Promise<MfaPasskeyOptionsResult> {
      const { context, body } = await this.requests.read(request, 'PurposeBody');
      const caller = knownChallengeOf(context) ?? (await this.requests.principal(request));
      return this.passkeys.options(caller, body, context);
    }

    @Get('challenge')
    @LoginRoute()
    async challenge(@Req() request: RouteRequest): Promise<MfaOpenChallenge> {
      const context = this.requests.context(request);
      return this.challenges.describe(requireLoginToken(context), context);
    }
  }

  @BuiltInRoutes()
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(JsonBodyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter)
  @PrincipalRoute()
  class MfaController {
    constructor(
      private readonly enrollment: MfaEnrollmentService,
      private readonly backupCodes: MfaBackupCodeService,
      private readonly statuses: MfaStatusService,
      private readonly responses: EnrollmentResponses,
      private readonly requests: RequestReader,
    ) {}

    @Get('status')
    async status(@Req() request: RouteRequest) {
      return this.statuses.status(await this.requests.principal(request), this.requests.context(request));
    }

    @Post('backup-codes/regenerate')
    @HttpCode(200)
    async regenerate(@Req() request: RouteRequest) {
      const { principal, context, body } = await this.requests.readAsPrincipal(request, 'ProofBody');
      return this.backupCodes.regenerate(principal, body, context);
    }

    @Patch('authenticators/:id')
    async rename(@Req() request: RouteRequest) {
      const { principal, context, body } = await this.requests.readAsPrincipal(request, 'RenameBody');
      const id = idOf(request);
      const renamed = await this.enrollment.rename(principal, id, body.name, context);
      const { authenticators } = await this.responses.status(principal, { authenticators: [renamed] }, context);
      const view = authenticators?.find((each) => each.id === id);
      if (!view) throw new MfaException('MFA_AUTHENTICATOR_NOT_FOUND');
      return view;
    }

    @Post('authenticators/:id/remove')
    @HttpCode(200)
    async remove(@Req() request: RouteRequest) {
      const { principal, context, body } = await this.requests.readAsPrincipal(request, 'ProofBody');
      const { enabled, ...removal } = await this.enrollment.remove(principal, idOf(request), body, context);
      return { ...(await this.responses.status(principal, { enabled }, context)), ...removal };
    }

    @Post('disable')
    @HttpCode(200)
    async disable(@Req() request: RouteRequest) {
      const { principal, context, body } = await this.requests.readAsPrincipal(request, 'ProofBody');
      return this.enrollment.disable(principal, body, context);
    }
  }

  @BuiltInRoutes()
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(JsonBodyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter)
  @EnrollmentRoute()
  class MfaEnrollmentController {
    constructor(
      private readonly enrollment: MfaEnrollmentService,
      private readonly responses: EnrollmentResponses,
      private readonly requests: RequestReader,
    ) {}

    @Post('totp/setup')
    @HttpCode(200)
    async setup(@Req() request: RouteRequest) {
      const { caller, context, body } = await this.requests.readAsEnroller(request, 'SetupBody');
      return this.enrollment.setup(caller, body, context);
    }

    @Post('totp/confirm')
    @HttpCode(200)
    async confirm(@Req() request: RouteRequest) {
      const { caller, context, body } = await this.requests.readAsEnroller(request, 'CodeBody');
      if ('mfa_token' in caller) return this.enrollment.confirm(caller, body.code, context);
      return this.responses.raised(caller, await this.enrollment.confirm(caller, body.code, context), context);
    }

    @Post('setup/cancel')
    @HttpCode(200)
    async cancelSetup(@Req() request: RouteRequest) {
      const { caller, context } = await this.requests.enroller(request);
      await this.enrollment.cancelSetup(caller, context);
      return 'mfa_token' in caller
        ? { pendingSetup: false }
        : this.responses.status(caller, { pendingSetup: false }, context);
    }
  }

  @BuiltInRoutes()
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(PasskeysEnabledGuard, JsonBodyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter)
  @EnrollmentRoute()
  class MfaPasskeyController {
    constructor(
      private readonly passkeys: MfaPasskeyService,
      private readonly responses: EnrollmentResponses,
      private readonly requests: RequestReader,
    ) {}

    @Post('passkeys/setup')
    @HttpCode(200)
    async setup(@Req() request: RouteRequest) {
      const { caller, context, body } = await this.requests.readAsEnroller(request, 'ProofBody');
      return this.passkeys.setup(caller, body, context);
    }

    @Post('passkeys/confirm')
    @HttpCode(200)
    async confirm(@Req() request: RouteRequest) {
      const { caller, context, body } = await this.requests.readAsEnroller(request, 'PasskeyBody');
      if ('mfa_token' in caller) return this.passkeys.confirm(caller, body, context);
      return this.responses.raised(caller, await this.passkeys.confirm(caller, body, context), context);
    }
  }

  @BuiltInRoutes()
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(DevicesEnabledGuard, JsonBodyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter)
  @PrincipalRoute()
  class MfaDeviceController {
    constructor(
      private readonly devices: MfaDeviceService,
      private readonly requests: RequestReader,
    ) {}

    @Get('devices')
    async list(@Req() request: RouteRequest) {
      const principal = await this.requests.principal(request);
      return { devices: await this.devices.list(principal, this.requests.context(request)) };
    }

    @Post('devices/:id/revoke')
    @HttpCode(200)
    async revoke(@Req() request: RouteRequest) {
      const [principal, context] = [await this.requests.principal(request), this.requests.context(request)];
      await this.devices.revoke(principal, idOf(request), context);
      return { devices: await this.devices.list(principal, context) };
    }
  }

  @BuiltInRoutes()
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(StepUpEnabledGuard, JsonBodyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter)
  @PrincipalRoute()
  class MfaStepUpController {
    constructor(
      private readonly verification: MfaVerificationService,
      private readonly stepUps: StepUpCompletion,
      private readonly requests: RequestReader,
    ) {}

    @Post('step-up')
    @HttpCode(200)
    async stepUp(@Req() request: RouteRequest) {
      const { principal, context, body } = await this.requests.readAsPrincipal(request, 'SecondFactorBody');
      const proved = await this.verification.stepUp(principal, body as MfaProof, context);
      const { amr, session } = await this.stepUps.complete(principal, proved, context);
      return { amr, mfaAt: proved.mfaAt, ...(session === undefined ? {} : { session }) };
    }
  }

  // The routes of these controllers also work without a session.
  const sessionless = [MfaVerificationController, MfaEnrollmentController, MfaPasskeyController];
  for (const controller of sessionless) decorateRoutes(controller, publicDecorators);
  const controllers = [...sessionless, MfaController, MfaDeviceController, MfaStepUpController];
  for (const controller of controllers) decorateRoutes(controller, decorators);
  return controllers;
}
