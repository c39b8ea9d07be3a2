import { createParamDecorator, Injectable, type ExecutionContext, type PipeTransform } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import { findRouteAccess } from './route-access.js';
import { unseenByPipes } from './unseen-by-pipes.js';

const contextParameter = createParamDecorator((_: unknown, context: ExecutionContext) => context);

/** Converts the context of a call to its principal. It is a pipe, because only a parameter's pipe can inject providers. */
@Injectable()
class PrincipalPipe implements PipeTransform<ExecutionContext, Promise<KnownPrincipal>> {
  constructor(private readonly moduleRef: ModuleRef) {}

  async transform(context: ExecutionContext): Promise<KnownPrincipal> {
    if (typeof context?.getHandler !== 'function') {
      throw new MfaException('MFA_MISCONFIGURED', {
        message: '@CurrentPrincipal: a global pipe replaced the value; let it pass parameters of type `custom`',
      });
    }
    return (await findRouteAccess(this.moduleRef, context)).principal(context);
  }
}

/**
 * Injects the {@link MfaPrincipal} of the request: the result of `MfaHost.principal`, with the user id as a string and
 * times as `Date`s. Works on every transport. The host is called once per request. Refuses with `MFA_NOT_AUTHENTICATED`
 * if the request has no signed-in user.
 * @example
 * ```ts
 * \@Get('payouts')
 * \@RequireMfa()
 * list(\@CurrentPrincipal() principal: MfaPrincipal) {
 *   return this.payouts.of(principal.userId);
 * }
 * ```
 */
export const CurrentPrincipal = (): ParameterDecorator => unseenByPipes(contextParameter(PrincipalPipe));

/**
 * Injects the `ExecutionContext` of the call. Pass it to the services as their last argument; they pass it to the host.
 * @example
 * ```ts
 * \@Post('second-step')
 * \@ChallengeRoute()
 * verify(\@CurrentChallenge() challenge: MfaChallenge, \@Body() body: CodeBody, \@MfaContext() context: ExecutionContext) {
 *   return this.verification.login(challenge, body, context);
 * }
 * ```
 */
export const MfaContext = (): ParameterDecorator => unseenByPipes(contextParameter());
