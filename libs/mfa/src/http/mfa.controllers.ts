import {
  Controller,
  Get,
  HttpCode,
  Logger,
  Param,
  Patch,
  Post,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { ChallengeCookie, type CookieResponse } from '../challenge/challenge-cookie.js';
import type { MfaChallenge } from '../challenge/mfa-challenge.js';
import { MfaBackupCodeService } from '../enrollment/backup-code.service.js';
import { MfaEnrollmentService } from '../enrollment/enrollment.service.js';
import { MfaException } from '../errors/mfa.exception.js';
import { CurrentChallenge, PrincipalRoute, VerificationRoute } from '../guard/decorators.js';
import { MfaGuard } from '../guard/mfa.guard.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { CompletedStepUp } from '../host/mfa-host.js';
import type { ResolvedHttpOptions } from '../options/resolve-http.js';
import { MfaStatusService } from '../status/status.service.js';
import { MfaVerificationService } from '../verification/verification.service.js';
import { MfaBody } from './body.decorator.js';
import type { CodeBody, ProofBody, RenameBody, SetupBody } from './dto/bodies.js';
import { decorateRoutes } from './decorate-routes.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { BadRequestFilter, MfaExceptionFilter } from './mfa-exception.filter.js';
import { PrincipalPipe } from './principal.pipe.js';
import { RequestContext } from './request-context.decorator.js';
import { StepUpEnabledGuard } from './step-up-enabled.guard.js';

/** Makes the built-in controllers. Each `forRoot` needs classes of its own, because prefix and decorators differ. */
export function createMfaControllers({ prefix, publicDecorators, decorators }: ResolvedHttpOptions): Type[] {
  // No MfaGuard here: @VerificationRoute() brings it.
  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(JsonOnlyGuard)
  @UseFilters(MfaExceptionFilter, BadRequestFilter)
  class MfaVerificationController {
    constructor(
      private readonly verification: MfaVerificationService,
      private readonly host: MfaHostAccess,
      private readonly cookie: ChallengeCookie,
    ) {}

    @Post('verify')
    @HttpCode(200)
    @VerificationRoute()
    async verify(
      @CurrentChallenge() challenge: MfaChallenge,
      @MfaBody('CodeBody') { code }: CodeBody,
      @RequestContext() context: ExecutionContext,
    ): Promise<unknown> {
      const login = await this.verification.verify(challenge, code);
      const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, unknown> }>();
      if (this.cookie.read(headers.cookie) !== null)
        this.cookie.clear(context.switchToHttp().getResponse<CookieResponse>());
      // The token is spent by now, whatever the host does next (S44).
      return this.host.call((host) => host.completeLogin(login, context));
    }
  }

  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(JsonOnlyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter, BadRequestFilter)
  @PrincipalRoute()
  class MfaController {
    private readonly logger = new Logger('nestjs-mfa');

    constructor(
      private readonly enrollment: MfaEnrollmentService,
      private readonly backupCodes: MfaBackupCodeService,
      private readonly statuses: MfaStatusService,
      private readonly host: MfaHostAccess,
    ) {}

    @Get('status')
    status(@RequestContext(PrincipalPipe) { userId }: KnownPrincipal) {
      return this.statuses.status(userId);
    }

    @Post('totp/setup')
    @HttpCode(200)
    setup(
      @RequestContext(PrincipalPipe) principal: KnownPrincipal,
      @MfaBody('SetupBody') { name, password, code }: SetupBody,
      @RequestContext() context: ExecutionContext,
    ) {
      return this.enrollment.setup(principal, { name, password, code, context });
    }

    @Post('totp/confirm')
    @HttpCode(200)
    async confirm(
      @RequestContext(PrincipalPipe) principal: KnownPrincipal,
      @MfaBody('CodeBody') { code }: CodeBody,
      @RequestContext() context: ExecutionContext,
    ) {
      const { stepUp: completed, ...answer } = await this.enrollment.confirm(principal, code, context);
      const session = await this.sessionAfter(principal, completed, context);
      return { ...answer, ...(session === undefined ? {} : { session }) };
    }

    /** The backup codes are shown this once (S39): a host that fails here costs a step-up later, not the codes. */
    private async sessionAfter(principal: KnownPrincipal, completed: CompletedStepUp, context: ExecutionContext) {
      try {
        return (await completeStepUp(this.host, principal, completed, context)).session;
      } catch {
        this.logger.error('MfaHost.completeStepUp failed after a confirmation; the session was not raised');
        return undefined;
      }
    }

    @Post('backup-codes/regenerate')
    @HttpCode(200)
    async regenerate(
      @RequestContext(PrincipalPipe) { userId }: KnownPrincipal,
      @MfaBody('ProofBody') { code }: ProofBody,
      @RequestContext() context: ExecutionContext,
    ) {
      return { backupCodes: await this.backupCodes.regenerate(userId, { code, context }) };
    }

    @Patch('authenticators/:id')
    async rename(
      @RequestContext(PrincipalPipe) principal: KnownPrincipal,
      @Param('id') id: string,
      @MfaBody('RenameBody') { name }: RenameBody,
    ) {
      await this.enrollment.rename(principal, id, name);
      const { authenticators } = await this.statuses.status(principal.userId);
      const renamed = authenticators.find((each) => each.id === id);
      if (!renamed) throw new MfaException('MFA_AUTHENTICATOR_NOT_FOUND');
      return renamed;
    }

    @Post('authenticators/:id/remove')
    @HttpCode(200)
    async remove(
      @RequestContext(PrincipalPipe) principal: KnownPrincipal,
      @Param('id') id: string,
      @MfaBody('ProofBody') { code }: ProofBody,
      @RequestContext() context: ExecutionContext,
    ) {
      await this.enrollment.remove(principal, id, { code, context });
      return this.statuses.status(principal.userId);
    }

    @Post('disable')
    @HttpCode(200)
    disable(
      @RequestContext(PrincipalPipe) principal: KnownPrincipal,
      @MfaBody('ProofBody') { code, password }: ProofBody,
      @RequestContext() context: ExecutionContext,
    ) {
      return this.enrollment.disable(principal, { code, password, context });
    }
  }

  @Controller({ path: prefix, version: VERSION_NEUTRAL })
  @UseGuards(StepUpEnabledGuard, JsonOnlyGuard, MfaGuard)
  @UseFilters(MfaExceptionFilter, BadRequestFilter)
  @PrincipalRoute()
  class MfaStepUpController {
    constructor(
      private readonly verification: MfaVerificationService,
      private readonly host: MfaHostAccess,
    ) {}

    @Post('step-up')
    @HttpCode(200)
    async stepUp(
      @RequestContext(PrincipalPipe) principal: KnownPrincipal,
      @MfaBody('CodeBody') { code }: CodeBody,
      @RequestContext() context: ExecutionContext,
    ) {
      const proved = await this.verification.stepUp(principal.userId, code);
      const { amr, session } = await completeStepUp(this.host, principal, proved, context);
      return { amr, mfaAt: proved.mfaAt, ...(session === undefined ? {} : { session }) };
    }
  }

  // The routes of this controller also work without a session.
  decorateRoutes(MfaVerificationController, publicDecorators);
  const controllers = [MfaVerificationController, MfaController, MfaStepUpController];
  for (const controller of controllers) decorateRoutes(controller, decorators);
  return controllers;
}

/** Tells the host of the factor that this session passed; `amr` gains what was proved (S49; RFC 8176). */
async function completeStepUp(
  host: MfaHostAccess,
  principal: KnownPrincipal,
  proved: CompletedStepUp,
  context: ExecutionContext,
) {
  const amr = [...new Set([...(principal.amr ?? []), ...proved.amr])];
  const session: unknown = await host.call((each) => each.completeStepUp?.({ ...proved, amr }, context));
  return { amr, session };
}
