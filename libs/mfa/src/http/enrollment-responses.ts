import { type ExecutionContext, Injectable, Logger } from '@nestjs/common';
import type { MfaConfirmation } from '../enrollment/enrollment-results.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import { MfaStatusService, type MfaStatus } from '../status/status.service.js';
import { StepUpCompletion } from '../verification/step-up-completion.js';

/** The responses of the built-in routes after a change of factors. */
@Injectable()
export class EnrollmentResponses {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly statuses: MfaStatusService,
    private readonly stepUps: StepUpCompletion,
  ) {}

  /** After a confirmation in a session, which the host then raises. */
  async raised(principal: KnownPrincipal, { stepUp, ...shown }: MfaConfirmation, context: ExecutionContext) {
    const session = await this.stepUps.confirmed(principal, stepUp, context);
    return { ...shown, ...(session === undefined ? {} : { session }) };
  }

  /** The status after a change. A change that is made stays made: where the status cannot be read, `known` is it. */
  async status(
    principal: KnownPrincipal,
    known: Partial<MfaStatus>,
    context: ExecutionContext,
  ): Promise<Partial<MfaStatus>> {
    try {
      return await this.statuses.status(principal, context);
    } catch {
      this.logger.error('The status could not be read after a change. The response holds what the change returned');
      return known;
    }
  }
}
