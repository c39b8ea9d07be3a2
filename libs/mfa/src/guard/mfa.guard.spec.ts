import { SetMetadata, type ExecutionContext } from '@nestjs/common';
import { GUARDS_METADATA } from '@nestjs/common/constants.js';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it } from 'vitest';
import { ChallengeRoute, PrincipalRoute, RequireMfa, SkipMfa, VerificationRoute } from './decorators.js';
import { MFA_ROUTE, type MfaRoute } from './mfa-route.js';
import { MfaGuard } from './mfa.guard.js';
import { RouteAccess } from './route-access.js';

class Unmarked {
  plain() {}
  @ChallengeRoute() challenge() {}
  @VerificationRoute() verification() {}
  @PrincipalRoute() principal() {}
  @SkipMfa() open() {}
  @RequireMfa() demanding() {}
  @RequireMfa({ maxAgeSeconds: 60 }) fresh() {}
}

@RequireMfa({ maxAgeSeconds: 300 })
class Demanding extends Unmarked {
  here() {}
  @SkipMfa() exempt() {}
}

@SkipMfa()
class Open extends Unmarked {
  here() {}
}

@ChallengeRoute()
class Challenged extends Unmarked {
  here() {}
}

@PrincipalRoute()
class SignedIn extends Unmarked {
  here() {}
}

class BelowDemanding extends Demanding {}
class BelowOpen extends Open {}
class BelowChallenged extends Challenged {}
class BelowSignedIn extends SignedIn {}

@RequireMfa({ ifEnabled: true })
class IfEnabled extends Unmarked {
  here() {}
}
class BelowIfEnabled extends IfEnabled {}

class Optional {
  @RequireMfa({ ifEnabled: true }) optional() {}
}

const SECOND_FACTOR: MfaRoute = { kind: 'second-factor' };
const routes: [new () => object, string, MfaRoute][] = [
  [Unmarked, 'plain', SECOND_FACTOR],
  [Unmarked, 'challenge', { kind: 'challenge' }],
  [Unmarked, 'verification', { kind: 'verification' }],
  [Unmarked, 'principal', { kind: 'principal' }],
  [Unmarked, 'open', { kind: 'open' }],
  [Unmarked, 'demanding', { kind: 'second-factor', maxAgeSeconds: undefined }],
  [Unmarked, 'fresh', { kind: 'second-factor', maxAgeSeconds: 60 }],
  [Optional, 'optional', { kind: 'second-factor', maxAgeSeconds: undefined, ifEnabled: true }],
  [Demanding, 'here', { kind: 'second-factor', maxAgeSeconds: 300 }],
  [Demanding, 'plain', { kind: 'second-factor', maxAgeSeconds: 300 }],
  [Demanding, 'fresh', { kind: 'second-factor', maxAgeSeconds: 60 }],
  [Demanding, 'demanding', { kind: 'second-factor', maxAgeSeconds: undefined }],
  [Demanding, 'exempt', { kind: 'open' }],
  [Demanding, 'challenge', { kind: 'challenge' }],
  [Open, 'here', { kind: 'open' }],
  [Open, 'demanding', { kind: 'second-factor', maxAgeSeconds: undefined }],
  [Challenged, 'here', { kind: 'challenge' }],
  [SignedIn, 'here', { kind: 'principal' }],
  [BelowDemanding, 'here', { kind: 'second-factor', maxAgeSeconds: 300 }],
];

/** A call of that controller's handler. */
function contextOf(controller: new () => object, name: string): ExecutionContext {
  const handler = (controller.prototype as Record<string, () => void>)[name]!;
  return new ExecutionContextHost([{}, {}], controller, handler);
}

/** A guard in an application with this `RouteAccess`. */
function guardOf(access: object): MfaGuard {
  const get = (token: unknown) => {
    if (token === RouteAccess) return access;
    throw new Error('unknown');
  };
  return new MfaGuard({ get } as never);
}

/** What the guard requires for a call. */
async function demandOf(context: ExecutionContext): Promise<MfaRoute> {
  let asked: MfaRoute | undefined;
  const access = { admit: async (_: ExecutionContext, route: MfaRoute) => ((asked = route), true) };
  await expect(guardOf(access).canActivate(context)).resolves.toBe(true);
  return asked!;
}

describe('MfaGuard', () => {
  it.each(routes.map(([type, name, route]) => ({ of: `${type.name}.${name}`, type, name, route })))(
    'S44a S47 requires of $of: $route',
    async ({ type, name, route }) => {
      expect(await demandOf(contextOf(type, name))).toEqual(route);
    },
  );

  it.each([BelowOpen, BelowChallenged, BelowSignedIn, BelowIfEnabled])(
    'S44a S47 lets %o inherit nothing that requires less than a second factor',
    async (controller) => {
      expect(await demandOf(contextOf(controller, 'here'))).toEqual(SECOND_FACTOR);
    },
  );

  it('S47 takes no metadata of a host for its own', async () => {
    class Hostile {
      @SetMetadata('isPublic', true)
      @SetMetadata('nestjs-mfa:route', { kind: 'open' })
      @SetMetadata(Symbol('nestjs-mfa:route'), { kind: 'open' })
      handler() {}
    }
    expect(await demandOf(contextOf(Hostile, 'handler'))).toEqual(SECOND_FACTOR);
    expect(MFA_ROUTE).toBe(Symbol.for('nestjs-mfa:route'));
  });

  it('S45 denies when the access does', async () => {
    const refusal = new Error('no');
    const guard = guardOf({ admit: () => Promise.reject(refusal) });
    await expect(guard.canActivate(contextOf(Unmarked, 'open'))).rejects.toBe(refusal);
  });
});

describe('the decorators', () => {
  const guardsOf = (target: object) => Reflect.getMetadata(GUARDS_METADATA, target) as unknown;
  const handlers = Unmarked.prototype;

  it.each([
    ['@ChallengeRoute', handlers.challenge],
    ['@VerificationRoute', handlers.verification],
    ['@RequireMfa', handlers.fresh],
    ['@RequireMfa on a class', Demanding],
    ['@ChallengeRoute on a class', Challenged],
  ])('%s brings the guard along', (_, target) => {
    expect(guardsOf(target)).toEqual([MfaGuard]);
  });

  it.each([
    ['@SkipMfa', handlers.open],
    ['@PrincipalRoute', handlers.principal],
  ])('%s marks a route and guards nothing', (_, target) => {
    expect(guardsOf(target)).toBeUndefined();
  });

  it.each([0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '60', null])(
    '@RequireMfa refuses the age %j where it is written, naming the option',
    (maxAgeSeconds) => {
      expect(() => RequireMfa({ maxAgeSeconds: maxAgeSeconds as number })).toThrow(
        expect.objectContaining({
          code: 'MFA_MISCONFIGURED',
          message: '@RequireMfa: `maxAgeSeconds` must be a whole number from 1',
        }),
      );
    },
  );

  it.each(['yes', 1, null])('@RequireMfa refuses ifEnabled: %j where it is written', (ifEnabled) => {
    expect(() => RequireMfa({ ifEnabled: ifEnabled as never })).toThrow(
      '@RequireMfa: `ifEnabled` must be true or false',
    );
  });

  it('@RequireMfa takes an age of one second', () => {
    expect(() => RequireMfa({ maxAgeSeconds: 1 })).not.toThrow();
  });
});
