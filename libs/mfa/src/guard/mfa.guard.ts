import 'reflect-metadata';
import { Injectable, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
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
    const marked = this.reflector.get<MfaRoute | undefined>(MFA_ROUTE, context.getHandler());
    return this.gate.admit(context, marked ?? this.ofClass(context.getClass()) ?? { kind: 'second-factor' });
  }

  /** A demand for a second factor is inherited from a base class; whatever demands less is not (S44a, S47). */
  private ofClass(controller: Type): MfaRoute | undefined {
    const route = this.reflector.get<MfaRoute | undefined>(MFA_ROUTE, controller);
    return route?.kind === 'second-factor' || Reflect.hasOwnMetadata(MFA_ROUTE, controller) ? route : undefined;
  }
}
