import 'reflect-metadata';
import { Injectable, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { findRouteAccess, type RouteAccess } from './route-access.js';

/**
 * Injection token of the guard that the module provides. Nest creates one guard for each controller, and
 * `overrideProvider(MfaGuard)` in a test does not replace those. So each of them delegates to the provided one.
 */
export const MFA_GUARD = Symbol.for('nestjs-mfa:guard');

/**
 * The guard of nestjs-mfa. It looks for a decorator on the handler, then on the controller. Without one, it requires a
 * signed-in user whose session passed a second factor.
 *
 * It refuses with an `MfaException`. In RPC and WebSocket contexts it is an `RpcException` or `WsException` with
 * `{ statusCode, code, message, error }`; in GraphQL the code is in `extensions`.
 * @example
 * // Require a second factor on every route of the application:
 * const providers = [{ provide: APP_GUARD, useExisting: MfaGuard }];
 */
@Injectable()
export class MfaGuard implements CanActivate {
  // A lookup by Nest goes through every module, so each is done once.
  private provided: CanActivate | null = null;
  private access: RouteAccess | null = null;

  constructor(private readonly moduleRef: ModuleRef) {}

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    const provided = (this.provided ??= this.findProvidedGuard());
    const replaced = provided !== null && provided !== this && provided.constructor !== MfaGuard;
    return replaced ? provided.canActivate(context) : this.decide(context);
  }

  private async decide(context: ExecutionContext): Promise<boolean> {
    const marked = routeOf(context.getHandler()) ?? routeOfClass(context.getClass());
    this.access ??= await findRouteAccess(this.moduleRef, context);
    return this.access.admit(context, marked ?? { kind: 'second-factor' });
  }

  private findProvidedGuard(): CanActivate | null {
    try {
      return this.moduleRef.get<CanActivate>(MFA_GUARD, { strict: false });
    } catch {
      return null; // The module is not imported. `findRouteAccess` then denies.
    }
  }
}

function routeOf(target: object): MfaRoute | undefined {
  return Reflect.getMetadata(MFA_ROUTE, target) as MfaRoute | undefined;
}

/** A controller inherits from its base class only the requirement of a second factor, and nothing that requires less. */
// S44a, S47
function routeOfClass(controller: Type): MfaRoute | undefined {
  const route = routeOf(controller);
  const isStrict = route?.kind === 'second-factor' && !route.ifEnabled;
  return isStrict || Reflect.hasOwnMetadata(MFA_ROUTE, controller) ? route : undefined;
}
