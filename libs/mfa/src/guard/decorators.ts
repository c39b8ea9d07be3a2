import { applyDecorators, createParamDecorator, SetMetadata, UseGuards, type ExecutionContext } from '@nestjs/common';
import { MfaException } from '../errors/mfa.exception.js';
import { challengeOf } from './current-challenge.js';
import { MfaGuard } from './mfa.guard.js';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { unseenByPipes } from './unseen-by-pipes.js';

const demands = (route: MfaRoute) => SetMetadata(MFA_ROUTE, route);

/** Admits exactly the holders of a valid, unspent mfa_token. For routes that complete a login. */
export const ChallengeRoute = (): ClassDecorator & MethodDecorator =>
  applyDecorators(demands({ kind: 'challenge' }), UseGuards(MfaGuard));

/** Marks the module's own verification route, which spends the token that it admits. */
export const VerificationRoute = (): MethodDecorator =>
  applyDecorators(demands({ kind: 'verification' }), UseGuards(MfaGuard));

export interface RequireMfaOptions {
  /** Seconds since the second factor was passed, at most; a whole number from 1. @default any age */
  maxAgeSeconds?: number;
}

/**
 * Admits signed-in users whose sign-in passed a second factor, on a controller or a handler; the handler's
 * demand replaces the controller's. Refuses with 401 as RFC 9470 says. No SQL.
 */
export function RequireMfa({ maxAgeSeconds }: RequireMfaOptions = {}): ClassDecorator & MethodDecorator {
  if (maxAgeSeconds !== undefined && !(Number.isInteger(maxAgeSeconds) && maxAgeSeconds > 0)) {
    throw new MfaException('MFA_MISCONFIGURED', {
      message: '@RequireMfa: `maxAgeSeconds` must be a whole number from 1',
    });
  }
  return applyDecorators(demands({ kind: 'second-factor', maxAgeSeconds }), UseGuards(MfaGuard));
}

/** Exempts a route from `MfaGuard`, whether the application or the controller has it. */
export const SkipMfa = (): ClassDecorator & MethodDecorator => demands({ kind: 'open' });

/** Marks the module's own routes, which demand a signed-in user only. */
export const PrincipalRoute = (): ClassDecorator & MethodDecorator => demands({ kind: 'principal' });

const challengeParameter = createParamDecorator((_: unknown, context: ExecutionContext) => challengeOf(context));

/** The checked challenge, on a `@ChallengeRoute()`. */
export const CurrentChallenge = (): ParameterDecorator => unseenByPipes(challengeParameter());
