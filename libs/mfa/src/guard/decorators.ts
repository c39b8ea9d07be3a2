import { applyDecorators, createParamDecorator, SetMetadata, UseGuards, type ExecutionContext } from '@nestjs/common';
import { MfaException } from '../errors/mfa.exception.js';
import { challengeOf } from './current-challenge.js';
import { MfaGuard } from './mfa.guard.js';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { unseenByPipes } from './unseen-by-pipes.js';

const requires = (route: MfaRoute) => SetMetadata(MFA_ROUTE, route);

/** Admits exactly the holders of a valid, unspent mfa_token. For routes that complete a login. */
export const ChallengeRoute = (): ClassDecorator & MethodDecorator =>
  applyDecorators(requires({ kind: 'challenge' }), UseGuards(MfaGuard));

/** Marks the module's own verification route, which spends the token that it admits. */
export const VerificationRoute = (): MethodDecorator =>
  applyDecorators(requires({ kind: 'verification' }), UseGuards(MfaGuard));

export interface RequireMfaOptions {
  /** Seconds since the second factor was passed, at most; a whole number from 1. @default any age */
  maxAgeSeconds?: number | undefined;
  /** Also admits users who have no authenticator. That costs one read of the database for these users. @default false */
  ifEnabled?: boolean | undefined;
}

/**
 * Admits signed-in users whose sign-in passed a second factor. On a controller or a handler; the one on the handler
 * replaces the one on the controller. Reads nothing from the database when it admits such a user.
 * Refuses with 401 `MFA_STEP_UP_REQUIRED` (RFC 9470), and with 403 `MFA_ENROLLMENT_REQUIRED` where the user has no
 * authenticator.
 * @example
 * ```ts
 * @Post('payout')
 * @RequireMfa({ maxAgeSeconds: 300 })
 * payout() {}
 * ```
 */
export function RequireMfa({ maxAgeSeconds, ifEnabled }: RequireMfaOptions = {}): ClassDecorator & MethodDecorator {
  if (maxAgeSeconds !== undefined && !(Number.isInteger(maxAgeSeconds) && maxAgeSeconds > 0)) {
    throw misused('`maxAgeSeconds` must be a whole number from 1');
  }
  if (ifEnabled !== undefined && typeof ifEnabled !== 'boolean') throw misused('`ifEnabled` must be true or false');
  return applyDecorators(
    requires({ kind: 'second-factor', maxAgeSeconds, ...(ifEnabled && { ifEnabled }) }),
    UseGuards(MfaGuard),
  );
}

const misused = (problem: string) => new MfaException('MFA_MISCONFIGURED', { message: `@RequireMfa: ${problem}` });

/** Exempts a route from `MfaGuard`, whether the application or the controller has it. */
export const SkipMfa = (): ClassDecorator & MethodDecorator => requires({ kind: 'open' });

/** Marks the module's own routes, which require a signed-in user only. */
export const PrincipalRoute = (): ClassDecorator & MethodDecorator => requires({ kind: 'principal' });

const challengeParameter = createParamDecorator((_: unknown, context: ExecutionContext) => challengeOf(context));

/** The checked challenge, on a `@ChallengeRoute()`. */
export const CurrentChallenge = (): ParameterDecorator => unseenByPipes(challengeParameter());
