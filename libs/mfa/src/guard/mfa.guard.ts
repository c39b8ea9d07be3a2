import 'reflect-metadata';
import { Injectable, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { findRouteAccess } from './find-route-access.js';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';

/**
 * Token of the guard that the module provides. Nest makes a guard of its own for every controller, which
 * `overrideProvider(MfaGuard)` of a test does not reach: so all of them ask for the provided one.
 */
export const MFA_GUARD = Symbol.for('nestjs-mfa:guard');

/**
 * The only guard. On a `@ChallengeRoute()` it admits the holders of a valid, unspent mfa_token. On every other route
 * it requires a signed-in user whose sign-in passed a second factor, so that `@UseGuards(MfaGuard)` is never a bypass.
 * `{ provide: APP_GUARD, useExisting: MfaGuard }` guards the whole application.
 *
 * A refusal is an `MfaException`; in RPC and WebSocket contexts it is an `RpcException` or `WsException` with
 * `{ statusCode, code, message, error }`; in GraphQL the code is in `extensions`.
 */
@Injectable()
export class MfaGuard implements CanActivate {
  constructor(private readonly moduleRef: ModuleRef) {}

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    const provided = this.providedGuard();
    const replaced = provided !== null && provided !== this && provided.constructor !== MfaGuard;
    return replaced ? provided.canActivate(context) : this.decide(context);
  }

  private async decide(context: ExecutionContext): Promise<boolean> {
    const marked = routeOf(context.getHandler()) ?? routeOfClass(context.getClass());
    const access = await findRouteAccess(this.moduleRef, context);
    return access.admit(context, marked ?? { kind: 'second-factor' });
  }

  private providedGuard(): CanActivate | null {
    try {
      return this.moduleRef.get<CanActivate>(MFA_GUARD, { strict: false });
    } catch {
      return null; // without the module; `RouteAccess` is missing too, and denies
    }
  }
}

function routeOf(target: object): MfaRoute | undefined {
  return Reflect.getMetadata(MFA_ROUTE, target) as MfaRoute | undefined;
}

/** A base class hands down the requirement of a second factor, and nothing that requires less. */
// S44a, S47
function routeOfClass(controller: Type): MfaRoute | undefined {
  const route = routeOf(controller);
  const isStrict = route?.kind === 'second-factor' && !route.ifEnabled;
  return isStrict || Reflect.hasOwnMetadata(MFA_ROUTE, controller) ? route : undefined;
}
