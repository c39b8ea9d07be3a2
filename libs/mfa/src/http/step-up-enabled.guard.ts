import { Injectable, NotFoundException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { MfaHostAccess } from '../host/host-access.js';

/** Returns Nest's 404, as for an unknown route, where the host cannot complete a step-up. */
@Injectable()
export class StepUpEnabledGuard implements CanActivate {
  constructor(
    private readonly host: MfaHostAccess,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.host.instance.completeStepUp) return true;
    const { httpAdapter } = this.adapterHost;
    const request: unknown = context.switchToHttp().getRequest();
    throw new NotFoundException(
      `Cannot ${httpAdapter.getRequestMethod(request)} ${httpAdapter.getRequestUrl(request)}`,
    );
  }
}
