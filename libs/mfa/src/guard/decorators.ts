import { applyDecorators, createParamDecorator, SetMetadata, UseGuards, type ExecutionContext } from '@nestjs/common';
import { MfaException } from '../errors/mfa.exception.js';
import { MfaGuard } from './mfa.guard.js';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { challengeOf } from './route-access.js';
import { unseenByPipes } from './unseen-by-pipes.js';

const requires = (route: MfaRoute) => SetMetadata(MFA_ROUTE, route);

/**
 * Route decorator for your own verification routes. Admits only requests with a valid, unspent mfa_token. Refuses with
 * 401 `MFA_TOKEN_INVALID`.
 * @example
 * ```ts
 * class LoginController {
 *   // On a route, together with \@Post('second-step')
 *   \@ChallengeRoute()
 *   verify(\@CurrentChallenge() challenge: MfaChallenge) {}
 * }
 * ```
 */
export const ChallengeRoute = (): ClassDecorator & MethodDecorator =>
  applyDecorators(requires({ kind: 'challenge' }), UseGuards(MfaGuard));

/** Route decorator of the built-in verification routes. Admits a readable mfa_token; the verification checks and spends it. */
export const VerificationRoute = (): MethodDecorator =>
  applyDecorators(requires({ kind: 'verification' }), UseGuards(MfaGuard));

/** Options of {@link RequireMfa}. */
export interface RequireMfaOptions {
  /** Maximum age of the second factor in seconds, a whole number from 1. @default any age */
  maxAgeSeconds?: number | undefined;
  /**
   * Also admits users who have no authenticator, unless a policy requires one by now or an administrator reset the factors.
   * The guard reads the database for each request of such a user. @default false
   */
  ifEnabled?: boolean | undefined;
  /**
   * Requires that the newest second factor of the session was a passkey or security key: `hwk` or `swk` is in its `amr`.
   * A session without `amr` is refused. @default false
   */
  phishingResistant?: boolean | undefined;
}

/**
 * Admits signed-in users whose session passed a second factor. Use it on a controller or a handler; a decorator on the
 * handler replaces the one on the controller. For such a user it does not read the database.
 *
 * Refuses with 401 `MFA_STEP_UP_REQUIRED` (RFC 9470), or with 403 `MFA_ENROLLMENT_REQUIRED` if the user has no
 * authenticator. With `phishingResistant`, the 403 is for users without a passkey; its `methods` is `['passkey']`.
 * @example
 * ```ts
 * \@Post('payout')
 * \@RequireMfa({ maxAgeSeconds: 300 })
 * payout() {}
 * ```
 */
export function RequireMfa(options: RequireMfaOptions = {}): ClassDecorator & MethodDecorator {
  const { maxAgeSeconds, ifEnabled, phishingResistant } = options;
  if (maxAgeSeconds !== undefined && !(Number.isInteger(maxAgeSeconds) && maxAgeSeconds > 0)) {
    throw misused('`maxAgeSeconds` must be a whole number from 1');
  }
  for (const [name, value] of Object.entries({ ifEnabled, phishingResistant })) {
    if (value !== undefined && typeof value !== 'boolean') throw misused(`\`${name}\` must be true or false`);
  }
  const flags = { ...(ifEnabled && { ifEnabled }), ...(phishingResistant && { phishingResistant }) };
  return applyDecorators(requires({ kind: 'second-factor', maxAgeSeconds, ...flags }), UseGuards(MfaGuard));
}

const misused = (problem: string) => new MfaException('MFA_MISCONFIGURED', { message: `@RequireMfa: ${problem}` });

/**
 * Exempts a route from `MfaGuard`, also from one on the controller or on the whole application.
 * @example
 * ```ts
 * class HealthController {
 *   // On a route, together with \@Get('health')
 *   \@SkipMfa()
 *   health() {}
 * }
 * ```
 */
export const SkipMfa = (): ClassDecorator & MethodDecorator => requires({ kind: 'open' });

/** Route decorator of the built-in routes for both callers. An mfa_token that the client sent decides. */
export const EitherCallerRoute = (): MethodDecorator =>
  applyDecorators(requires({ kind: 'either' }), UseGuards(MfaGuard));

/** Route decorator of the built-in route that describes a login. Admits a readable token of either kind. */
export const LoginRoute = (): MethodDecorator => applyDecorators(requires({ kind: 'login' }), UseGuards(MfaGuard));

/** Route decorator of the built-in enrollment routes. Admits a signed-in user, or a readable enrollment token. */
export const EnrollmentRoute = (): ClassDecorator & MethodDecorator => requires({ kind: 'enrollment' });

/** Route decorator of the built-in routes that require a signed-in user and no second factor. */
export const PrincipalRoute = (): ClassDecorator & MethodDecorator => requires({ kind: 'principal' });

const challengeParameter = createParamDecorator((_: unknown, context: ExecutionContext) => challengeOf(context));

/**
 * Injects the checked {@link MfaChallenge} of the request. Use it on a route with `@ChallengeRoute()`. Throws
 * `MFA_TOKEN_INVALID` on any other route.
 * @example
 * ```ts
 * verify(\@CurrentChallenge() challenge: MfaChallenge, \@Body() body: { code: string }) {
 *   return this.verification.verify(challenge, { code: body.code });
 * }
 * ```
 */
export const CurrentChallenge = (): ParameterDecorator => unseenByPipes(challengeParameter());
