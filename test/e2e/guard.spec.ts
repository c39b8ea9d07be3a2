import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  SetMetadata,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ChallengeRoute, CurrentPrincipal, MfaGuard, RequireMfa, SkipMfa, type MfaPrincipal } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, providerNamed, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** The host's own guard, which runs after ours here: `principal()` must not need it. */
@Injectable()
class LateAuthGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    Object.assign(context.switchToHttp().getRequest<object>(), { user: { id: 'late' } });
    return true;
  }
}

@Controller('plain')
class PlainController {
  @Get('use-guards')
  @UseGuards(MfaGuard)
  guarded() {
    return { in: true };
  }

  @Get('wrong-order')
  @RequireMfa()
  @UseGuards(LateAuthGuard)
  wrongOrder() {
    return { in: true };
  }

  @Get('sibling')
  sibling() {
    return { in: true };
  }

  @Post('challenge')
  @ChallengeRoute()
  challenge() {
    return { in: true };
  }

  @Get('public-metadata')
  @UseGuards(MfaGuard)
  @SetMetadata('PUBLIC', true)
  @SetMetadata('isPublic', true)
  @SetMetadata('nestjs-mfa:route', { kind: 'open' })
  @SetMetadata('mfa', { kind: 'open' })
  @SetMetadata(Symbol('nestjs-mfa:route'), { kind: 'open' })
  publicMetadata() {
    return { in: true };
  }
}

@Controller('optional')
@RequireMfa({ ifEnabled: true, maxAgeSeconds: 60 })
class OptionalController {
  @Get()
  optional(@CurrentPrincipal() { userId, mfaAt }: MfaPrincipal) {
    return { userId, isDate: mfaAt instanceof Date };
  }
}

@Controller('whole')
@RequireMfa()
class GuardedController {
  @Get('inherited')
  inherited() {
    return { in: true };
  }

  @Get('fresh')
  @RequireMfa({ maxAgeSeconds: 60 })
  fresh() {
    return { in: true };
  }

  @Get('open')
  @SkipMfa()
  open() {
    return { in: true };
  }

  @Post('challenge')
  @ChallengeRoute()
  challenge() {
    return { in: true };
  }
}

@Controller('open-house')
@SkipMfa()
class OpenController {
  @Get('open')
  open() {
    return { in: true };
  }

  @Get('closed')
  @RequireMfa()
  closed() {
    return { in: true };
  }
}

@Controller('derived')
class DerivedController extends GuardedController {}

/** Knows nothing of MfaModule, which is global. */
@Controller('feature')
class FeatureController {
  @Get()
  @RequireMfa()
  feature() {
    return { in: true };
  }
}

@Module({ controllers: [FeatureController] })
class FeatureModule {}

const controllers = [OptionalController, PlainController, GuardedController, OpenController, DerivedController];
const imports = [FeatureModule];

describe.each(ADAPTERS)('the guard over %s', (adapter) => {
  let host: HostApp;
  let nobody: Client;
  let signedIn: Client;
  let verified: Client;

  beforeAll(async () => {
    host = await startHostApp({ adapter, options: FEW_CODES, controllers, imports });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  /** Three sessions of one user: none at all, the first factor, both factors. */
  const sessions = () => {
    const mfaAt = new Date(host.clock.nowMs());
    nobody = new Client(host, 'alice', 'no-session');
    signedIn = new Client(host, 'alice');
    verified = new Client(host, 'alice', host.state.signIn('alice', { mfaAt, amr: ['pwd', 'otp', 'mfa'] }));
  };
  beforeAll(async () => {
    await new Client(host, 'alice').enroll();
    sessions();
  });

  const GUARDED = [
    'plain/use-guards',
    'plain/wrong-order',
    'plain/public-metadata',
    'whole/inherited',
    'whole/fresh',
    'open-house/closed',
    'derived/inherited',
    'derived/fresh',
    'feature',
  ];

  it.each(GUARDED)('S44a S47 /%s admits sessions with a second factor only', async (path) => {
    await nobody.get(`/${path}`).expect(401, /MFA_NOT_AUTHENTICATED/);
    await signedIn.get(`/${path}`).expect(401, /MFA_STEP_UP_REQUIRED/);
    await verified.get(`/${path}`).expect(200, { in: true });
  });

  it.each(['plain/sibling', 'whole/open', 'derived/open', 'open-house/open'])(
    'S47 /%s admits everybody',
    async (path) => {
      await nobody.get(`/${path}`).expect(200);
    },
  );

  it.each(['plain/challenge', 'whole/challenge'])(
    'S44a /%s requires an mfa_token, and refuses every session',
    async (path) => {
      const post = (client: Client) => client.post(`/${path}`);
      for (const client of [nobody, signedIn, verified]) await post(client).expect(401, /MFA_TOKEN_INVALID/);
    },
  );

  describe('S45 the second factor of a session', () => {
    const at = (ms: number) => new Date(host.clock.nowMs() + ms);
    const cases: [string, () => object][] = [
      ['no time', () => ({ amr: ['pwd', 'otp', 'mfa'] })],
      ['a time that is not a Date', () => ({ mfaAt: host.clock.nowMs(), amr: ['mfa'] })],
      ['a time as text without a time zone', () => ({ mfaAt: at(0).toISOString().slice(0, -1), amr: ['mfa'] })],
      ['an invalid Date', () => ({ mfaAt: new Date(Number.NaN), amr: ['mfa'] })],
      ['a null', () => ({ mfaAt: null, amr: ['mfa'] })],
      ['a time in the future', () => ({ mfaAt: at(3_600_000), amr: ['mfa'] })],
      ['an amr without mfa', () => ({ mfaAt: at(0), amr: ['pwd'] })],
      ['an empty amr', () => ({ mfaAt: at(0), amr: [] })],
      ['an amr that is text', () => ({ mfaAt: at(0), amr: 'mfa' })],
    ];

    it.each(cases)('does not count with %s', async (_, factor) => {
      const client = new Client(host, 'alice', host.state.signIn('alice', factor()));
      await client.get('/payouts').expect(401, /MFA_STEP_UP_REQUIRED/);
    });

    it('counts with a time alone, where the host keeps no amr, and with a clock a minute ahead', async () => {
      const alone = new Client(host, 'alice', host.state.signIn('alice', { mfaAt: at(0) }));
      await alone.get('/payouts').expect(200);
      const ahead = new Client(host, 'alice', host.state.signIn('alice', { mfaAt: at(60_000), amr: ['mfa'] }));
      await ahead.get('/payouts').expect(200);
    });
  });

  describe('S45 a principal() that', () => {
    const answers: [string, () => unknown, number][] = [
      [
        'throws',
        () => {
          throw new Error('the session store is down');
        },
        500,
      ],
      ['rejects', () => Promise.reject(new Error('the session store is down')), 500],
      ['answers undefined', () => undefined, 401],
      ['answers an empty object', () => ({}), 401],
      ['has an empty user id', () => ({ userId: '', mfaAt: new Date() }), 401],
      ['has a padded user id', () => ({ userId: ' alice', mfaAt: new Date() }), 401],
      ['has an over-long user id', () => ({ userId: 'x'.repeat(256), mfaAt: new Date() }), 401],
      ['has a user id that is an object', () => ({ userId: { id: 1 }, mfaAt: new Date() }), 401],
      ['has a user id that is not a safe integer', () => ({ userId: 2 ** 60, mfaAt: new Date() }), 401],
      ['has a user id with NUL', () => ({ userId: 'a\0b', mfaAt: new Date() }), 401],
    ];

    it.each(answers)('%s is refused everywhere', async (_, principal, status) => {
      vi.spyOn(TestHost.prototype, 'principal').mockImplementation(principal as never);
      for (const path of ['/payouts', '/transfers', '/plain/use-guards', '/mfa/status']) {
        const answer = await verified.get(path);
        expect({ path, status: answer.status }).toEqual({ path, status });
        expect(answer.text).not.toContain('session store');
      }
    });
  });

  it('calls principal() once per request', async () => {
    const principal = vi.spyOn(TestHost.prototype, 'principal');
    await verified.get('/mfa/status').expect(200);
    expect(principal).toHaveBeenCalledTimes(1);
    await signedIn.get('/mfa/status').expect(200);
    expect(principal).toHaveBeenCalledTimes(2);
  });

  it('S49 runs no statement when it admits, and reads the account once when it refuses', async () => {
    const load = vi.spyOn(providerNamed<{ load(userId: string): unknown }>(host, 'MfaAccountStore'), 'load');
    const query = vi.spyOn(host.dataSource, 'createQueryRunner');
    await verified.get('/payouts').expect(200);
    await nobody.get('/payouts').expect(401);
    expect(query).not.toHaveBeenCalled();
    await signedIn.get('/payouts').expect(401);
    expect(load).toHaveBeenCalledExactlyOnceWith('alice');
    expect(query).toHaveBeenCalledTimes(1);
  });

  it('S49 refuses a user without an authenticator with 403, whatever the age that the route allows', async () => {
    const user = new Client(host, 'not-enrolled');
    for (const path of ['/payouts', '/transfers', '/plain/use-guards']) {
      const { body, headers } = await user.get(path).expect(403);
      expect(body).toEqual({
        statusCode: 403,
        code: 'MFA_ENROLLMENT_REQUIRED',
        message: 'A second factor must be set up first.',
        error: 'Forbidden',
      });
      expect(headers).not.toHaveProperty('www-authenticate');
    }
  });

  it('S49 @RequireMfa({ ifEnabled: true }) admits users without an authenticator, and others after a step-up only', async () => {
    const user = new Client(host, 'optional');
    await nobody.get('/optional').expect(401, /MFA_NOT_AUTHENTICATED/);
    await user.get('/optional').expect(200, { userId: 'optional', isDate: false });
    await user.enroll();
    await user.get('/optional').expect(200, { userId: 'optional', isDate: true });
    const elsewhere = new Client(host, 'optional');
    const refused = await elsewhere.get('/optional').expect(401, /MFA_STEP_UP_REQUIRED/);
    expect(refused.get('WWW-Authenticate')).toContain('max_age="60"');
    host.clock.advance(61);
    await user.get('/optional').expect(401, /MFA_STEP_UP_REQUIRED/);
  });

  it('S45 denies when the read of the account fails', async () => {
    const store = providerNamed<{ load(userId: string): unknown }>(host, 'MfaAccountStore');
    for (const [account, status] of [
      [() => Promise.reject(new Error('the database is down')), 500],
      [() => undefined, 500],
      [() => ({}), 500],
      [() => ({ account: {} }), 500],
    ] as const) {
      vi.spyOn(store, 'load').mockImplementationOnce(account);
      await new Client(host, 'alice').get('/optional').expect(status);
    }
  });

  it('S48 takes no user id from input', async () => {
    const answer = await request(host.app.getHttpServer())
      .get('/mfa/status?userId=alice&sub=alice')
      .set({ 'x-user-id': 'alice', Cookie: 'userId=alice' });
    expect(answer.body.code).toBe('MFA_NOT_AUTHENTICATED');
  });
});

describe('S46 other transports', () => {
  let host: HostApp;
  let guard: MfaGuard;

  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES, controllers, providers: [MfaGuard] });
    guard = host.app.get(MfaGuard);
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  function contextOf(type: string, args: unknown[], method: keyof PlainController = 'guarded'): ExecutionContext {
    const context = new ExecutionContextHost(args as never, PlainController, PlainController.prototype[method]);
    context.setType(type);
    return context;
  }

  const graphql = (headers: object) => [{}, {}, { req: { headers } }, {}];
  const decide = (context: ExecutionContext) => guard.canActivate(context);

  /** What a host with GraphQL does: it finds the request where that transport keeps it. */
  function principalFromGraphql(session: object): void {
    vi.spyOn(TestHost.prototype, 'principal').mockImplementation((context) => {
      const { req } = context.getArgByIndex<{ req: { headers: { authorization?: string } } }>(2);
      return req.headers.authorization ? ({ userId: 'alice', accountName: 'a', ...session } as never) : null;
    });
  }

  it('GraphQL requests are decided as HTTP requests where the host supports the transport', async () => {
    const mfaAt = new Date(host.clock.nowMs());
    principalFromGraphql({});
    await expect(decide(contextOf('graphql', graphql({})))).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
    const withSession = () => contextOf('graphql', graphql({ authorization: 'Bearer x' }));
    await expect(decide(withSession())).rejects.toMatchObject({ code: 'MFA_ENROLLMENT_REQUIRED' });
    principalFromGraphql({ mfaAt, amr: ['mfa'] });
    await expect(decide(withSession())).resolves.toBe(true);
    await expect(decide(contextOf('graphql', graphql({})))).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });

  it.each([
    ['graphql', [undefined, {}, {}, {}]],
    ['graphql', graphql({ authorization: 'Bearer session-1-alice' })],
    ['ws', [{ handshake: { headers: {} } }, { mfa_token: 'x' }]],
    ['rpc', [{}, {}]],
    ['http', []],
    ['something new', []],
  ])('%s requests are refused where the host does not support the transport', async (type, args) => {
    await expect(decide(contextOf(type, args))).rejects.toThrow();
  });

  it.each(['graphql', 'ws', 'rpc'])('no mfa_token is read from %s', async (type) => {
    const user = new Client(host, `over-${type}`);
    await user.enroll();
    const mfa_token = await user.login();
    const carrier = { body: { mfa_token }, mfa_token, headers: { 'x-mfa-token': mfa_token } };
    const context = contextOf(type, [carrier, carrier, { req: carrier }], 'challenge');
    const refusal = { code: 'MFA_TOKEN_INVALID' };
    const shape = type === 'graphql' ? { extensions: refusal } : { error: refusal };
    await expect(decide(context)).rejects.toMatchObject(shape);
  });
});

describe('MfaGuard as APP_GUARD', () => {
  const Public = () => SetMetadata('isPublic', true) as MethodDecorator;

  @Controller('unmarked')
  class UnmarkedController {
    @Get()
    unmarked() {
      return { in: true };
    }

    @Get('skipped')
    @SkipMfa()
    skipped() {
      return { in: true };
    }
  }

  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({
      options: { ...FEW_CODES, http: { publicDecorators: [Public()] } },
      providers: [{ provide: APP_GUARD, useExisting: MfaGuard }],
      controllers: [...controllers, UnmarkedController],
      imports,
    });
  });
  afterAll(() => host.close());

  it('refuses every unmarked route without a second factor, also for a null principal', async () => {
    for (const path of ['/unmarked', '/plain/sibling']) {
      await new Client(host, 'u', 'none').get(path).expect(401, /MFA_NOT_AUTHENTICATED/);
      const signedIn = new Client(host, 'u');
      await signedIn.get(path).expect(403, /MFA_ENROLLMENT_REQUIRED/);
    }
  });

  it('admits the callers of @SkipMfa() routes and of the built-in routes', async () => {
    const anonymous = new Client(host, 'u', 'none');
    await anonymous.get('/unmarked/skipped').expect(200);
    await anonymous.get('/open-house/open').expect(200);
    const user = new Client(host, 'everywhere');
    const { authenticator } = await user.enroll();
    await user.get('/mfa/status').expect(200);
    const session = await user.signIn(authenticator.code());
    await session.get('/unmarked').expect(200);
    await session.get('/payouts').expect(200);
  });

  it('combines with a requirement of the handler', async () => {
    await new Client(host, 'u').enroll();
    const session = host.state.signIn('u', { mfaAt: new Date(host.clock.nowMs() - 61_000), amr: ['mfa'] });
    const client = new Client(host, 'u', session);
    await client.get('/unmarked').expect(200);
    const answer = await client.get('/whole/fresh').expect(401);
    expect(answer.get('WWW-Authenticate')).toContain('max_age="60"');
  });
});

describe('@RequireMfa', () => {
  it.each([0, -1, 1.5, Number.NaN, Infinity, '60'])(
    'throws for maxAgeSeconds: %j when the decorator is applied',
    (maxAgeSeconds) => {
      expect(() => RequireMfa({ maxAgeSeconds: maxAgeSeconds as number })).toThrow(
        /maxAgeSeconds.*whole number from 1/,
      );
    },
  );
});
