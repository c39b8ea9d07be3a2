import {
  Controller,
  Get,
  Module,
  Param,
  RequestMethod,
  Res,
  VersioningType,
  VERSION_NEUTRAL,
  type INestApplication,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { MfaChallengeService, MfaEnrollmentService, MfaModule, type MfaCookieResponse } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, type HostAppSetup } from '../support/host-app.js';

@Controller({ path: 'callback', version: VERSION_NEUTRAL })
class CallbackController {
  constructor(private readonly challenges: MfaChallengeService) {}

  @Get(':user')
  async callback(@Param('user') user: string, @Res({ passthrough: true }) response: MfaCookieResponse) {
    const { mfaRequired } = await this.challenges.issue(user, { cookie: response });
    return { mfaRequired };
  }
}

@Module({ imports: [RouterModule.register([{ path: 'account', module: MfaModule }])] })
class AccountRoutes {}

const prefixed = (prefix: string, exclude: Parameters<INestApplication['setGlobalPrefix']>[1] = {}) => ({
  configure: (app: INestApplication) => void app.setGlobalPrefix(prefix, exclude),
});

type Case = [what: string, setup: HostAppSetup, mount: string, cookiePath: string, callback: string];

const CASES: Case[] = [
  ['no prefix', {}, '/mfa', '/mfa', '/callback'],
  ['a global prefix', prefixed('api'), '/api/mfa', '/api/mfa', '/api/callback'],
  ['a global prefix with slashes', prefixed('/api/v1/'), '/api/v1/mfa', '/api/v1/mfa', '/api/v1/callback'],
  [
    'a global prefix that excludes the routes',
    prefixed('api', { exclude: ['mfa/*path'] }),
    '/mfa',
    '/mfa',
    '/api/callback',
  ],
  [
    'a global prefix that excludes one route',
    prefixed('api', { exclude: [{ path: 'mfa/disable', method: RequestMethod.POST }] }),
    '/api/mfa',
    '/',
    '/api/callback',
  ],
  ['RouterModule', { imports: [AccountRoutes] }, '/account/mfa', '/account/mfa', '/callback'],
  [
    'RouterModule under a global prefix',
    { imports: [AccountRoutes], ...prefixed('api') },
    '/api/account/mfa',
    '/api/account/mfa',
    '/api/callback',
  ],
  ['a parameter', { options: { http: { prefix: 't/:tenant/mfa' } } }, '/t/acme/mfa', '/t', '/callback'],
  ['a parameter at the start', { options: { http: { prefix: ':tenant' } } }, '/acme', '/', '/callback'],
  ['a global prefix with a parameter', prefixed('t/:tenant'), '/t/acme/mfa', '/t', '/t/acme/callback'],
  [
    'URI versioning with a default version',
    { configure: (app) => void app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }) },
    '/mfa',
    '/mfa',
    '/callback',
  ],
];

describe.each(ADAPTERS)('the path of the challenge cookie over %s', (adapter) => {
  it.each(CASES)('S73 under %s is the common path of the routes', async (_, setup, mount, cookiePath, callback) => {
    const options = { ...FEW_CODES, ...setup.options };
    const host = await startHostApp({ adapter, ...setup, options, controllers: [CallbackController] });
    const user = new Client(host, 'redirected');
    const started = await user.post(`${mount}/totp/setup`, { password: PASSWORD }).expect(200);
    const authenticator = new VirtualAuthenticator(started.body.otpauthUri, host.clock);
    await user.post(`${mount}/totp/confirm`, { code: authenticator.code() }).expect(200);
    host.clock.advance(30);

    const redirected = await request(user.server).get(`${callback}/redirected`).expect(200, { mfaRequired: true });
    const cookie = redirected.get('Set-Cookie')![0]!;
    expect(cookie).toContain(`; Path=${cookiePath};`);
    const own = cookie.split(';')[0]!;
    // RFC 6265 §5.1.4: the browser sends the cookie to each path below its own.
    expect(`${mount}/challenge`.startsWith(cookiePath)).toBe(true);
    await request(user.server).get(`${mount}/challenge`).set('Cookie', `mfa_token=tossed; ${own}`).expect(200);
    const verified = await request(user.server)
      .post(`${mount}/verify`)
      .set('Cookie', own)
      .send({ code: authenticator.code() })
      .expect(200);
    expect(verified.get('Set-Cookie')![0]).toContain(`mfa_token=; Max-Age=0; Path=${cookiePath};`);
    await host.close();
  });

  it('S73 without built-in routes is the whole application', async () => {
    const host = await startHostApp({
      adapter,
      options: { ...FEW_CODES, http: false },
      controllers: [CallbackController],
      ...prefixed('api'),
    });
    const enrollment = host.app.get(MfaEnrollmentService, { strict: false });
    const ann = { userId: 'ann', accountName: 'ann' };
    const { otpauthUri } = await enrollment.setup(ann, { password: PASSWORD });
    await enrollment.confirm(ann, new VirtualAuthenticator(otpauthUri, host.clock).code());
    const redirected = await request(host.app.getHttpServer()).get('/api/callback/ann').expect(200);
    expect(redirected.get('Set-Cookie')![0]).toContain('; Path=/;');
    await host.close();
  });
});
