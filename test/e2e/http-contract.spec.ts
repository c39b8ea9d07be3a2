import {
  Body,
  Catch,
  Controller,
  Get,
  HttpException,
  Post,
  UseFilters,
  ValidationPipe,
  type ArgumentsHost,
  type ExceptionFilter,
  type INestApplication,
} from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ChallengeRoute,
  CurrentChallenge,
  MfaEnrollmentService,
  MfaException,
  MfaExceptionFilter,
  TotpService,
  MfaVerificationService,
  SkipMfa,
  type MfaChallenge,
} from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

let users = 0;
const userOf = (host: HostApp) => new Client(host, `contract-${(users += 1)}`);
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const anyIso = expect.stringMatching(ISO);
const UNKNOWN = { userId: 'somebody', isAdmin: true, nested: { a: [1] } };

describe.each(ADAPTERS)('the HTTP contract over %s', (adapter) => {
  let host: HostApp;

  beforeAll(async () => {
    host = await startHostApp({ adapter });
  });
  afterAll(() => host.close());

  it('S21 every success returns 200 and JSON of exactly the documented shape, with ISO times and no-store, and ignores unknown fields', async () => {
    const user = userOf(host);
    const seen: request.Response[] = [];
    const post = async (path: string, body: object) => {
      seen.push(await user.post(`/mfa/${path}`, { ...body, ...UNKNOWN }).expect(200));
      return seen.at(-1)!.body;
    };
    const status = async () => {
      seen.push(await user.get('/mfa/status').expect(200));
      return seen.at(-1)!.body;
    };

    expect(await status()).toEqual({
      enabled: false,
      methods: [],
      authenticators: [],
      backupCodes: { remaining: 0, low: false },
      pendingSetup: false,
      proof: ['password'],
    });
    const setup = await post('totp/setup', { password: PASSWORD, name: 'Phone' });
    expect(setup).toEqual({
      authenticatorId: expect.any(String),
      secret: expect.any(String),
      manualKey: expect.any(String),
      otpauthUri: expect.any(String),
      qrCode: expect.any(String),
      qrSvg: expect.any(String),
      expiresAt: anyIso,
      resumed: false,
    });
    const authenticator = new VirtualAuthenticator(setup.otpauthUri, host.clock);
    const confirmed = await post('totp/confirm', { code: authenticator.code() });
    expect(confirmed).toEqual({ enabled: true, backupCodes: expect.any(Array), session: { renewed: true } });
    expect(confirmed.backupCodes).toHaveLength(10);
    host.clock.advance(30);
    const stepUp = await post('step-up', { code: authenticator.code() });
    expect(stepUp).toEqual({ amr: ['otp', 'mfa'], mfaAt: anyIso, session: { renewed: true } });
    const login = await user
      .verify(await user.login(), confirmed.backupCodes[0])
      .send(UNKNOWN)
      .expect(200);
    seen.push(login);
    expect(login.body).toEqual({ accessToken: expect.any(String) });
    expect(await status()).toEqual({
      enabled: true,
      methods: ['totp', 'backup_code'],
      authenticators: [
        { id: setup.authenticatorId, type: 'totp', name: 'Phone', createdAt: anyIso, lastUsedAt: anyIso },
      ],
      backupCodes: { remaining: 9, low: false },
      pendingSetup: false,
      proof: ['code'],
    });
    const renamed = await user.patch(`/mfa/authenticators/${setup.authenticatorId}`, { name: 'Pixel', ...UNKNOWN });
    seen.push(renamed.ok ? renamed : await Promise.reject(new Error(renamed.text)));
    const phone = { id: setup.authenticatorId, type: 'totp', name: 'Pixel', createdAt: anyIso };
    expect(renamed.body).toEqual({ ...phone, lastUsedAt: anyIso });
    const regenerated = await post('backup-codes/regenerate', { code: authenticator.code(1) });
    expect(regenerated).toEqual({ backupCodes: expect.any(Array) });
    host.clock.advance(60);
    const removed = await post(`authenticators/${setup.authenticatorId}/remove`, { code: authenticator.code() });
    expect(removed).toEqual({ ...(await status()), enabled: false, removed: phone });
    await post('totp/setup', { password: PASSWORD });
    expect(await post('setup/cancel', {})).toEqual({ ...(await status()), pendingSetup: false });
    const again = await user.enroll();
    expect(await post('disable', { code: again.authenticator.code() })).toEqual({ enabled: false });

    for (const { headers, status: code, type } of seen) {
      expect({ code, type, cache: headers['cache-control'] }).toEqual({
        code: 200,
        type: 'application/json',
        cache: 'no-store',
      });
    }
  });

  it('S21 no secret, code or token travels in a URL or a Location', async () => {
    const user = userOf(host);
    const { authenticator } = await user.enroll();
    const answer = await user.verify(await user.login(), authenticator.code()).expect(200);
    expect(answer.headers).not.toHaveProperty('location');
    await user.get('/mfa/totp/setup').expect(404);
    await user.get('/mfa/verify').expect(404);
  });

  describe('every refusal returns its status, a stable code, a message, and no-store', () => {
    type Refused = [status: number, code: string, request: (user: Client) => PromiseLike<request.Response>];
    const enrolled = async (user: Client) => ({ ...(await user.enroll()), token: await user.login() });
    const lock = async (user: Client) => {
      await user.enroll();
      for (let i = 0; i < 5; i += 1) await user.post('/mfa/step-up', { code: '000000' });
    };

    const REFUSALS: Refused[] = [
      [401, 'MFA_CODE_REJECTED', async (user) => user.verify((await enrolled(user)).token, '000000')],
      [401, 'MFA_TOKEN_INVALID', (user) => user.verify('nonsense', '000000')],
      [401, 'MFA_STEP_UP_REQUIRED', async (user) => (await user.enrolledElsewhere()).get('/transfers')],
      [403, 'MFA_ENROLLMENT_REQUIRED', (user) => user.get('/transfers')],
      [401, 'MFA_PROOF_REQUIRED', (user) => user.post('/mfa/totp/setup')],
      [401, 'MFA_NOT_AUTHENTICATED', (user) => new Client(host, user.userId, 'none').get('/mfa/status')],
      [409, 'MFA_NOT_ENABLED', (user) => user.post('/mfa/disable', { code: '000000' })],
      [404, 'MFA_SETUP_NOT_FOUND', (user) => user.post('/mfa/totp/confirm', { code: '000000' })],
      [404, 'MFA_AUTHENTICATOR_NOT_FOUND', (user) => user.patch('/mfa/authenticators/x', { name: 'X' })],
      [400, 'MFA_BAD_REQUEST', (user) => user.post('/mfa/step-up')],
      [429, 'MFA_LOCKED', async (user) => (await lock(user), user.post('/mfa/step-up', { code: '000000' }))],
    ];
    const ERRORS: Record<number, string> = {
      400: 'Bad Request',
      401: 'Unauthorized',
      403: 'Forbidden',
      404: 'Not Found',
      409: 'Conflict',
      429: 'Too Many Requests',
    };

    it.each(REFUSALS)('%i %s', async (status, code, send) => {
      const answer = await send(userOf(host));
      expect(answer.body).toEqual({
        statusCode: status,
        code,
        message: code === 'MFA_BAD_REQUEST' ? expect.arrayContaining([expect.any(String)]) : expect.any(String),
        error: ERRORS[status],
        ...(code === 'MFA_LOCKED' ? { retryAfterSeconds: 900 } : {}),
        ...(code === 'MFA_PROOF_REQUIRED' ? { proof: ['password'] } : {}),
      });
      expect(answer.status).toBe(status);
      expect(answer.get('Cache-Control')).toBe('no-store');
      expect(answer.get('Retry-After')).toBe(code === 'MFA_LOCKED' ? '900' : undefined);
    });
  });
});

describe('the mounting of the routes', () => {
  const ROUTES = ['totp/setup', 'totp/confirm', 'verify', 'step-up', 'backup-codes/regenerate', 'disable'];
  const post = (host: HostApp, path: string) => request(host.app.getHttpServer()).post(path).send({});

  it.each([
    ['account/second-factor', undefined, '/account/second-factor'],
    ['/slashes/', undefined, '/slashes'],
    ['mfa', 'api/v1', '/api/v1/mfa'],
  ])('prefix %j under the global prefix %j is %s, and the default is gone', async (prefix, global, path) => {
    const host = await startHostApp({
      options: { http: { prefix } },
      configure: (app) => (global ? app.setGlobalPrefix(global) : undefined),
    });
    for (const route of ROUTES)
      await post(host, `${path}/${route}`).expect(401, /MFA_(NOT_AUTHENTICATED|TOKEN_INVALID)/);
    for (const route of ROUTES) await post(host, `/mfa/${route}`).expect(404);
    await host.close();
  });

  it('http: false mounts none of them', async () => {
    const host = await startHostApp({ options: { http: false } });
    for (const route of ROUTES) await post(host, `/mfa/${route}`).expect(404);
    await host.close();
  });
});

describe.each(ADAPTERS)("a host's own controllers on the services, over %s", (adapter) => {
  @Controller('own')
  @UseFilters(MfaExceptionFilter)
  class OwnController {
    constructor(
      private readonly enrollment: MfaEnrollmentService,
      private readonly verification: MfaVerificationService,
    ) {}

    @Post('setup')
    @SkipMfa()
    setup(@Body() { userId, password }: { userId: string; password?: string }) {
      return this.enrollment.setup({ userId, accountName: userId }, { password });
    }

    @Post('confirm')
    async confirm(@Body() { userId, code }: { userId: string; code: string }) {
      const { enabled } = await this.enrollment.confirm({ userId }, code);
      return { enabled };
    }

    @Post('verify')
    @ChallengeRoute()
    verify(@CurrentChallenge() challenge: MfaChallenge, @Body() { code }: { code: string }) {
      return this.verification.verify(challenge, { code });
    }
  }

  @Controller('unfiltered')
  class UnfilteredController {
    constructor(private readonly totp: TotpService) {}

    @Get()
    get() {
      return this.totp.otpauthUri('A'.repeat(32), '');
    }
  }

  let host: HostApp;
  beforeAll(async () => {
    const controllers = [OwnController, UnfilteredController];
    host = await startHostApp({ adapter, options: { ...FEW_CODES, http: false }, controllers });
  });
  afterAll(() => host.close());

  const own = (path: string, body: object) => request(host.app.getHttpServer()).post(`/own/${path}`).send(body);

  it('complete the whole flow, and with MfaExceptionFilter refuse with body, Retry-After and no-store', async () => {
    const userId = 'own';
    await own('setup', { userId }).expect(401, /MFA_PROOF_REQUIRED/);
    const setup = await own('setup', { userId, password: PASSWORD }).expect(201);
    const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    await own('confirm', { userId, code: 7 }).expect(400, /MFA_BAD_REQUEST/);
    await own('confirm', { userId, code: authenticator.code() }).expect(201, { enabled: true });
    host.clock.advance(30);

    const mfa_token = await new Client(host, userId).login();
    await own('verify', { mfa_token, code: ['1'] }).expect(400, /MFA_BAD_REQUEST/);
    await own('verify', { code: '000000' }).expect(401, /MFA_TOKEN_INVALID/);
    for (let i = 0; i < 5; i += 1) await own('verify', { mfa_token, code: '000000' }).expect(401, /MFA_CODE_REJECTED/);
    const locked = await own('verify', { mfa_token, code: authenticator.code() }).expect(429);
    expect(locked.body).toMatchObject({ statusCode: 429, code: 'MFA_LOCKED', retryAfterSeconds: 900 });
    expect(locked.get('Retry-After')).toBe('900');
    expect(locked.get('Cache-Control')).toBe('no-store');
    host.clock.advance(900);
    const fresh = await new Client(host, userId).login();
    const { body } = await own('verify', { mfa_token: fresh, code: authenticator.code() }).expect(201);
    expect(body).toMatchObject({ mfaRequired: false, login: { userId, amr: ['otp', 'mfa'], factor: 'totp' } });
  });

  it('S68 refuse by a plain HttpException where no filter of the module is bound', async () => {
    const { body, headers } = await request(host.app.getHttpServer()).get('/unfiltered').expect(400);
    expect(body).toEqual({
      statusCode: 400,
      code: 'MFA_BAD_REQUEST',
      message: ['accountName must be a string that is not empty'],
      error: 'Bad Request',
    });
    expect(headers['cache-control']).toBeUndefined();
  });
});

describe('global enhancers of the host', () => {
  const PIPES: [string, ((app: INestApplication) => void) | undefined][] = [
    ['no pipe', undefined],
    [
      'a whitelisting pipe',
      (app) =>
        void app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true })),
    ],
    [
      'a pipe that converts types',
      (app) =>
        void app.useGlobalPipes(
          new ValidationPipe({
            whitelist: true,
            forbidNonWhitelisted: true,
            transform: true,
            transformOptions: { enableImplicitConversion: true },
          }),
        ),
    ],
  ];

  it.each(PIPES)(
    'S24 %s: a numeric code returns 400 with the name of the field, and the flow works',
    async (_, configure) => {
      const host = await startHostApp({ options: FEW_CODES, configure });
      const user = userOf(host);
      const { authenticator, id } = await user.enroll();
      const token = await user.login();
      for (const answer of [
        await user.verify(token, 123456),
        await user.post('/mfa/step-up', { code: Number(authenticator.code()) }),
        await user.post('/mfa/disable', { code: [authenticator.code()] }),
        await user.patch(`/mfa/authenticators/${id}`, { name: 7 }),
      ]) {
        expect(answer.status).toBe(400);
        expect(answer.body).toMatchObject({
          code: 'MFA_BAD_REQUEST',
          message: [expect.stringMatching(/^(code|name) /), ...answer.body.message.slice(1)],
        });
      }
      await user.post('/mfa/step-up', { code: authenticator.code(), ...UNKNOWN }).expect(200);
      host.clock.advance(30);
      await user.verify(token, authenticator.code()).expect(200);
      await host.close();
    },
  );

  it('a catch-all filter keeps the shape of the built-in routes, and receives an HttpException elsewhere', async () => {
    const seen: unknown[] = [];

    @Catch()
    class CatchAll implements ExceptionFilter {
      constructor(private readonly app: INestApplication) {}

      catch(exception: unknown, context: ArgumentsHost): void {
        seen.push(exception);
        const status = exception instanceof HttpException ? exception.getStatus() : 500;
        this.app.getHttpAdapter().reply(context.switchToHttp().getResponse(), { oops: status }, status);
      }
    }

    const host = await startHostApp({
      options: FEW_CODES,
      configure: (app) => void app.useGlobalFilters(new CatchAll(app)),
    });
    const user = userOf(host);
    const { authenticator } = await user.enroll();
    await user.verify('nonsense', authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    await user.post('/mfa/step-up', { code: 5 }).expect(400, /MFA_BAD_REQUEST/);
    expect(seen).toEqual([]);
    const refused = await new Client(host, user.userId).get('/payouts');
    expect({ status: refused.status, body: refused.body }).toEqual({ status: 401, body: { oops: 401 } });
    expect(refused.get('WWW-Authenticate')).toContain('insufficient_user_authentication');
    expect(seen).toEqual([expect.any(MfaException)]);
    await host.close();
  });

  it('a filter on a controller of the host receives an HttpException with status and body', async () => {
    @Catch(HttpException)
    class OwnFilter extends BaseExceptionFilter {}

    @Controller('filtered')
    @UseFilters(OwnFilter)
    class FilteredController {
      @Get()
      @ChallengeRoute()
      filtered() {
        return {};
      }
    }

    const host = await startHostApp({ controllers: [FilteredController] });
    const answer = await request(host.app.getHttpServer()).get('/filtered').expect(401);
    expect(answer.body).toMatchObject({ statusCode: 401, code: 'MFA_TOKEN_INVALID' });
    expect(answer.get('Cache-Control')).toBe('no-store');
    await host.close();
  });
});
