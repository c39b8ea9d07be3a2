import { join } from 'node:path';
import type { ExecutionContext, Provider, Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { MfaStatusService, type MfaCookieResponse, type MfaLogin, type MfaStepUp } from 'nestjs-mfa';
import request from 'supertest';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { createDatabase, testServers } from '../support/databases.js';
import { HostState, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PASSKEYS, PasskeyClient } from '../support/passkey-client.js';
import { newUser, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, pages, read } from './markdown.js';

let example: Example;
beforeAll(async () => {
  const guides = pages.filter((page) => page.startsWith('docs/guides/'));
  example = await writeExample(new Map(guides.flatMap((page) => [...codeFiles(read(page))])));
});
afterAll(() => example.remove());

const load = <T>(path: string) => import(join(example.folder, path)) as Promise<T>;
const bearerOf = (context: ExecutionContext) =>
  context.switchToHttp().getRequest<{ headers: { authorization: string } }>().headers.authorization.slice(7);

const userOf = (id: string) => ({ id, email: `${id}@acme.example` });

describe.each(['express', 'fastify'] as const)('the controllers of the guides, on %s', (adapter) => {
  let host: HostApp;
  let ada: Client;
  let step: { next(): string };

  beforeAll(async () => {
    const redirects = await load<Record<string, Type>>('src/guides/redirect-login.controller.ts');
    const factors = await load<Record<string, Type>>('src/guides/second-factor.controller.ts');
    const passkeys = await load<Record<string, Type>>('src/guides/passkey.controller.ts');
    const providers: Provider[] = [
      {
        provide: redirects.FirstFactors!,
        useValue: { ofProvider: () => userOf('ada'), ofLink: userOf },
      },
      {
        provide: redirects.LoginSessions!,
        inject: [HostState],
        useFactory: (state: HostState) => ({
          open: async ({ userId, amr }: MfaLogin, response: MfaCookieResponse) => {
            const cookie = `session=${state.signIn(userId, { amr })}`;
            if (response.setHeader) response.setHeader('set-cookie', cookie);
            else response.header!('set-cookie', cookie);
          },
        }),
      },
      {
        provide: factors.FactorSessions!,
        inject: [HostState],
        useFactory: (state: HostState) => ({
          raise: async (context: ExecutionContext, { amr, mfaAt }: MfaStepUp) =>
            void Object.assign(state.sessions.get(bearerOf(context))!, { amr, mfaAt }),
        }),
      },
    ];
    const controllers = [
      ...[redirects.RedirectLoginController!, factors.SecondFactorController!],
      passkeys.PasskeyController!,
    ];
    host = await startHostApp({ adapter, providers, controllers, options: PASSKEYS });
    ada = new Client(host, 'ada');
  });
  afterAll(() => host?.close());

  const cookieOf = (headers: Record<string, unknown>) => [headers['set-cookie']].flat().join();

  it('open a session after the callback while nothing is enrolled', async () => {
    const answer = await request(ada.server).get('/auth/oauth/callback').expect(302);
    expect(answer.headers.location).toBe('/');
    expect(cookieOf(answer.headers)).toContain('session=');
  });

  it('enroll, step up and disable', async () => {
    const path = '/account/second-factor';
    const { body: setup } = await ada.post(`${path}/setup`, { password: PASSWORD }).expect(200);
    const { VirtualAuthenticator } = await import('nestjs-mfa/testing');
    const phone = new VirtualAuthenticator(setup.otpauthUri, host.clock);
    const next = () => (host.clock.advance(30), phone.code());
    step = { next };
    await ada.post(`${path}/confirm`, { code: 'no code' }).expect(401, /MFA_CODE_REJECTED/);
    const confirmed = await ada.post(`${path}/confirm`, { code: phone.code() }).expect(200);
    expect(confirmed.body).toEqual({ enabled: true, backupCodes: expect.any(Array) });
    await ada.get('/payouts').expect(200);
    host.clock.advance(600);
    await ada.get('/transfers').expect(401);
    await ada.post(`${path}/step-up`, { code: next() }).expect(204);
    await ada.get('/transfers').expect(200);
    expect((await ada.get(path).expect(200)).body).toMatchObject({ enabled: true });
    await request(ada.server)
      .get(path)
      .expect(401, /MFA_NOT_AUTHENTICATED/);
  });

  it('S73 lead from the callback to the second step by a cookie, and open no session before', async () => {
    const answer = await request(ada.server).get('/auth/oauth/callback').expect(302);
    expect(answer.headers.location).toBe('/login/second-step');
    const cookie = cookieOf(answer.headers);
    expect(cookie).toMatch(/^mfa_token=[^;]+; .*Path=\/mfa/);
    expect(cookie).toContain('HttpOnly');
    expect(cookie).not.toContain('session=');
    const sent = { cookie: cookie.split(';')[0]! };
    await request(ada.server)
      .get('/mfa/challenge')
      .set(sent)
      .expect(200, /"mfaRequired":true/);
    await request(ada.server).post('/mfa/verify').set(sent).send({ code: step.next() }).expect(200);
    expect(host.state.completedLogins.at(-1)).toMatchObject({ amr: ['fed', 'otp', 'mfa'], state: { returnTo: '/' } });
  });

  it('lead from a magic link to the second step, which an own route finishes', async () => {
    const link = await request(ada.server).post('/auth/magic-link').send({ token: 'ada' }).expect(200);
    expect(link.body).toEqual({ next: '/login/second-step' });
    const mfa_token = await ada.login();
    const path = '/account/second-factor/verify';
    await request(ada.server)
      .post(path)
      .send({ code: '000000' })
      .expect(401, /MFA_TOKEN_INVALID/);
    const verified = await request(ada.server).post(path).send({ mfa_token, code: step.next() }).expect(200);
    expect(verified.body).toEqual({ accessToken: expect.any(String) });
    const disabled = await ada.post('/account/second-factor/disable', { code: step.next() }).expect(200);
    expect(disabled.body).toEqual({ enabled: false });
  });

  it('register a passkey, sign in with it once, and refuse what is not a response', async () => {
    const eve = new PasskeyClient(host, 'eve');
    const [path, key] = ['/account/passkeys', newKey()];
    const { body: setup } = await eve.post(`${path}/setup`, { password: PASSWORD }).expect(200);
    const passkey = key.create(setup.options);
    await eve.post(`${path}/confirm`, { passkey: 'none' }).expect(400, /MFA_BAD_REQUEST/);
    const confirmed = await eve.post(`${path}/confirm`, { name: 'Laptop', passkey }).expect(200);
    expect(confirmed.body).toEqual({ enabled: true, backupCodes: expect.any(Array) });
    await eve.get('/payouts').expect(200); // the confirmation counts as second factor
    const mfa_token = await eve.login();
    const send = (route: string, body: object) =>
      request(eve.server)
        .post(path + route)
        .send({ mfa_token, ...body });
    const { body } = await send('/login-options', {}).expect(200);
    const response = { passkey: key.get(body.options) };
    expect((await send('/login', response).expect(200)).body).toEqual({ accessToken: expect.any(String) });
    await send('/login', response).expect(401, /MFA_TOKEN_INVALID/);
  });

  it('step up by the wrapper around fetch, and repeat the request', async () => {
    const bob = await new Client(host, 'bob').enroll();
    const client = new Client(host, 'bob');
    const { stepUpFetch } = await load<{
      stepUpFetch(send: typeof fetch, ask: () => Promise<string>, keep?: (session: unknown) => void): typeof fetch;
    }>('src/examples/step-up-fetch.ts');
    const url = await host.app.getUrl();
    const send = ((path: string, init?: RequestInit) =>
      fetch(url + path, {
        ...init,
        headers: { ...init?.headers, authorization: `Bearer ${client.session}` },
      })) as never;
    const kept: unknown[] = [];
    const api = stepUpFetch(
      send,
      async () => bob.authenticator.code(),
      (session) => kept.push(session),
    );
    expect((await api('/transfers')).status).toBe(200);
    expect(kept).toEqual([{ renewed: true }]);
    host.clock.advance(600);
    const wrong = stepUpFetch(send, async () => '000000');
    expect(await (await wrong('/transfers')).json()).toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect((await api('/missing')).status).toBe(404);
  });
});

describe('the enrollment routes of the guide, without the built-in ones', () => {
  it('S100 lead a login that a policy requires to enroll to a session', async () => {
    const guide = await load<Record<string, Type>>('src/guides/login-enrollment.controller.ts');
    const options = { ...POLICIES.options, http: false } as const;
    const host = await startHostApp({ ...POLICIES, options, controllers: [guide.LoginEnrollmentController!] });
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser(host, 'ada');
    const { mfa_token } = await user.mustEnroll();
    const path = '/login/enrollment';
    const send = (route: string, body: object) => user.send(path + route, body).set('x-mfa-token', mfa_token);
    const described = await request(user.server).get(path).set('x-mfa-token', mfa_token).expect(200);
    expect(described.body).toMatchObject({ enrollmentRequired: true, enrollmentMethods: ['totp', 'passkey'] });
    for (const route of ['/setup', '/confirm']) {
      const principal = { userId: 'ada', accountName: 'ada' };
      const body = { code: '123456', mfa_token: principal, caller: principal };
      await user.send(path + route, body).expect(401, /MFA_TOKEN_INVALID/);
    }
    PolicyHost.authorizes = () => false;
    await send('/setup', {}).expect(401, /MFA_PROOF_REQUIRED/);
    PolicyHost.authorizes = () => true;
    const { body: setup } = await send('/setup', {}).expect(200);
    const { VirtualAuthenticator } = await import('nestjs-mfa/testing');
    const code = new VirtualAuthenticator(setup.otpauthUri, host.clock).code();
    const { body } = await send('/confirm', { code }).expect(200);
    expect(body).toEqual({ enabled: true, backupCodes: expect.any(Array), login: { accessToken: expect.any(String) } });
    await new Client(host, 'ada', body.login.accessToken).get('/payouts').expect(200);
    await user.get('/mfa/status').expect(404);
    PolicyHost.restore();
    await host.close();
  });
});

describe('the wrapper around fetch', () => {
  it('has at most 15 lines', () => {
    const code = codeFiles(read('docs/guides/guarding.md')).get('src/examples/step-up-fetch.ts')!;
    expect(code.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  });
});

describe('the tenants of the guide', () => {
  it('keep the token of one tenant from another one', async () => {
    const { TenantMfaHost } = await load<{
      TenantMfaHost: new (tenancy: object) => { completeLogin(...given: object[]): unknown };
    }>('src/guides/tenants.ts');
    const opened: string[] = [];
    const tenancy = {
      tenantOf: (context: { tenant: string }) => ({ id: context.tenant, brand: 'x' }),
      openSession: (_tenant: object, userId: string) => (opened.push(userId), {}),
    };
    const host = new TenantMfaHost(tenancy);
    const login = { userId: 'acme:7', state: { tenant: 'acme' } };
    expect(() => host.completeLogin(login, { tenant: 'evil' })).toThrow('Unauthorized');
    host.completeLogin(login, { tenant: 'acme' });
    expect(opened).toEqual(['7']);
  });
});

describe.skipIf(!testServers.includes('postgres'))('the second DataSource of the guide', () => {
  it('starts beside another ORM, with its tables in a schema of their own', async () => {
    const database = await createDatabase('postgres');
    const connection = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    await connection.query('CREATE SCHEMA mfa');
    process.env.DATABASE_URL = database.url;
    process.env.MFA_KEY = 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=';
    const { SecondDataSourceModule } = await load<Record<string, Type>>('src/guides/second-data-source.module.ts');
    const module = await Test.createTestingModule({ imports: [SecondDataSourceModule!] }).compile();
    const app = await module.createNestApplication({ logger: false }).init();
    expect(await app.get(MfaStatusService).status('7')).toMatchObject({ enabled: false });
    const schemas: unknown = await connection.query(
      `SELECT table_schema AS schema FROM information_schema.tables WHERE table_name LIKE 'mfa%' GROUP BY 1`,
    );
    expect(schemas).toEqual([{ schema: 'mfa' }]);
    await app.close();
    await connection.destroy();
    await database.drop();
    delete process.env.DATABASE_URL;
    delete process.env.MFA_KEY;
  });
});
