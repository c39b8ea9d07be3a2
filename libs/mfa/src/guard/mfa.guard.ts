import 'reflect-metadata';
import { Injectable, Logger, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import { transportErrorOf } from '../errors/transport-error.js';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { RouteGate } from './route-gate.js';

/**
 * The only guard. On a `@ChallengeRoute()` it admits the holders of a valid, unspent mfa_token. On every other route
 * it requires a signed-in user whose sign-in passed a second factor, so that `@UseGuards(MfaGuard)` is never a bypass.
 * `{ provide: APP_GUARD, useExisting: MfaGuard }` guards the whole application.
 *
 * A refusal is an {@link MfaException}; in RPC and WebSocket contexts it is an `RpcException` or `WsException` with
 * `{ statusCode, code, message, error }`; in GraphQL the code is in `extensions`.
 */
@Injectable()
export class MfaGuard implements CanActivate {
  constructor(private readonly moduleRef: ModuleRef) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const marked = routeOf(context.getHandler()) ?? routeOfClass(context.getClass());
    return (await this.gateFor(context)).admit(context, marked ?? { kind: 'second-factor' });
  }

  /** Looked up when used, so that a unit test of a guarded controller needs no `MfaModule`. */
  private async gateFor(context: ExecutionContext): Promise<RouteGate> {
    try {
      return this.moduleRef.get(RouteGate, { strict: false });
    } catch (cause) {
      const message =
        'MfaGuard: the application does not import MfaModule, so the guard denies. Import MfaModule.forRoot(...); in a unit test use overrideGuard(MfaGuard)';
      new Logger('nestjs-mfa').error(message);
      throw await transportErrorOf(
        new MfaException('MFA_MISCONFIGURED', { message, cause }),
        context.getType<string>(),
      );
    }
  }
}

function routeOf(target: object): MfaRoute | undefined {
  return Reflect.getMetadata(MFA_ROUTE, target) as MfaRoute | undefined;
}

/** A base class hands down the requirement of a second factor, and nothing that requires less (S44a, S47). */
function routeOfClass(controller: Type): MfaRoute | undefined {
  const route = routeOf(controller);
  return route?.kind === 'second-factor' || Reflect.hasOwnMetadata(MFA_ROUTE, controller) ? route : undefined;
}
