import { createParamDecorator, Injectable, type ExecutionContext, type PipeTransform } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import { findRouteAccess } from './find-route-access.js';
import { unseenByPipes } from './unseen-by-pipes.js';

const contextParameter = createParamDecorator((_: unknown, context: ExecutionContext) => context);

/** From the context of a call to its principal. A pipe, because only a pipe of a parameter can inject something. */
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
 * Injects the {@link MfaPrincipal} of the request: what `MfaHost.principal` returned, with the user id as a string and
 * times as `Date`s. Over every transport. The host is called once per request.
 * Refuses with `MFA_NOT_AUTHENTICATED` where nobody is signed in.
 * @example
 * ```ts
 * @Get('payouts')
 * @RequireMfa()
 * list(@CurrentPrincipal() principal: MfaPrincipal) {
 *   return this.payouts.of(principal.userId);
 * }
 * ```
 */
export const CurrentPrincipal = (): ParameterDecorator => unseenByPipes(contextParameter(PrincipalPipe));

/**
 * Injects the `ExecutionContext` of the call, which services take last and hand to the host.
 * @example
 * ```ts
 * @Post('second-step')
 * @ChallengeRoute()
 * verify(@CurrentChallenge() challenge: MfaChallenge, @Body() body: CodeBody, @MfaContext() context: ExecutionContext) {
 *   return this.verification.login(challenge, body, context);
 * }
 * ```
 */
export const MfaContext = (): ParameterDecorator => unseenByPipes(contextParameter());
