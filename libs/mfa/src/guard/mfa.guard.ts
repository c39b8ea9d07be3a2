import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { RouteGate } from './route-gate.js';

/**
 * The only guard. On a `@ChallengeRoute()` it admits the holders of a valid, unspent mfa_token; on every other
 * route it demands a signed-in user whose sign-in passed a second factor, so that `@UseGuards(MfaGuard)` is
 * never a bypass (S44a).
 */
@Injectable()
export class MfaGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly gate: RouteGate,
  ) {}

  canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    const route = this.reflector.getAllAndOverride<MfaRoute | undefined>(MFA_ROUTE, targets);
    return this.gate.admit(context, route ?? { kind: 'second-factor' });
  }
}
