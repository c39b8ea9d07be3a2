import type { INestApplication } from '@nestjs/common';
import { MfaCleanupService } from 'nestjs-mfa';
import { VirtualAuthenticator, type FixedClock } from 'nestjs-mfa/testing';
import { Validator } from '@seriousme/openapi-schema-validator';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testServers } from '../../../test/support/databases.js';
import { DemoClient, PASSWORD, withBearer } from '../../../test/support/demo-client.js';
import { UserSession } from './accounts/user-session.entity.js';
import { User } from './accounts/user.entity.js';

const VARIANTS = [
  { httpAdapter: 'express', database: 'sqlite' } as const,
  { httpAdapter: 'fastify', database: 'sqlite' } as const,
  ...testServers.map((database) => ({ httpAdapter: 'express' as const, database })),
];

describe.each(VARIANTS)('the demo on $httpAdapter and $database', ({ httpAdapter, database }) => {
  let demo: DemoClient;
  let app: INestApplication;
  let clock: FixedClock;
  let email: string;
  let count = 0;

  const http = () => demo.http();
  const post = (path: string, body: object, token = '') => demo.post(path, body, token);
  const get = (path: string, token = '') => demo.get(path, token);
  const enroll = (token: string) => demo.enroll(token);

  async function register(): Promise<string> {
    return (await post('/auth/register', { email, password: PASSWORD }).expect(200)).body.accessToken;
  }

  async function firstStep(): Promise<string> {
    return (await post('/auth/login', { email, password: PASSWORD }).expect(200)).body.mfa_token;
  }

  beforeAll(async () => {
    demo = await DemoClient.start(httpAdapter, database);
    ({ app, clock } = demo);
  });

  afterAll(() => demo?.stop());

  beforeEach(() => {
    email = `ada${++count}@example.com`;
  });

  it('has a schema that its entities agree with', async () => {
    const { upQueries } = await app.get(DataSource).driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('registers and signs in at once, under the address in lower case', async () => {
    const answer = await post('/auth/register', { email: ` ${email.toUpperCase()} `, password: PASSWORD }).expect(200);
    expect(Object.keys(answer.body)).toEqual(['accessToken']);
    expect(answer.headers['cache-control']).toBe('no-store');
    const me = await get('/auth/me', answer.body.accessToken).expect(200);
    expect(me.body).toMatchObject({ email, amr: ['pwd'], mfaAt: null });
  });

  it('takes its session from an httpOnly cookie too, and forgets both at sign-out', async () => {
    const { headers, body } = await post('/auth/register', { email, password: PASSWORD }).expect(200);
    const [cookie] = headers['set-cookie'] as unknown as string[];
    expect(cookie).toMatch(/^demo_session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Lax$/);
    const pair = cookie!.split(';')[0]!;
    await http().get('/auth/me').set('Cookie', `theme=dark; ${pair}`).expect(200);
    const out = await http().post('/auth/logout').set('Cookie', pair).expect(200);
    expect(out.headers['set-cookie']![0]).toContain('demo_session=; ');
    await http().get('/auth/me').set('Cookie', pair).expect(401);
    await get('/auth/me', body.accessToken).expect(401);
  });

  it('refuses a second account for the address, also when both come at once', async () => {
    const both = await Promise.all([0, 1].map(() => post('/auth/register', { email, password: PASSWORD })));
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    await post('/auth/register', { email, password: PASSWORD }).expect(409);
  });

  it('answers a wrong password and an unknown address alike', async () => {
    await register();
    const wrong = await post('/auth/login', { email, password: 'wrong password' }).expect(401);
    const unknown = await post('/auth/login', { email: 'nobody@example.com', password: PASSWORD }).expect(401);
    expect(unknown.body).toEqual(wrong.body);
  });

  it('S79 keeps the setup of one session from another that signed in at the same moment', async () => {
    const first = await register();
    const second = (await post('/auth/login', { email, password: PASSWORD }).expect(200)).body.accessToken;
    const { id: userId } = await app.get(DataSource).getRepository(User).findOneByOrFail({ email });
    const sessions = app.get(DataSource).getRepository(UserSession);
    await sessions.update({ userId }, { authenticatedAtMs: clock.nowMs() });
    const begun = await post('/mfa/totp/setup', { password: PASSWORD }, first).expect(200);
    const repeated = await post('/mfa/totp/setup', { password: PASSWORD }, first).expect(200);
    expect(repeated.body).toEqual({ ...begun.body, resumed: true });
    const other = await post('/mfa/totp/setup', { password: PASSWORD }, second).expect(200);
    expect(other.body.secret).not.toBe(begun.body.secret);
    const code = new VirtualAuthenticator(other.body.otpauthUri, clock).code();
    await post('/mfa/totp/confirm', { code }, first).expect(404, /MFA_SETUP_NOT_FOUND/);
    await post('/mfa/totp/confirm', { code }, second).expect(200);
  });

  it('leads through enrollment and a login in two steps to the vault', async () => {
    const before = await register();
    await get('/vault', before).expect(403, /MFA_ENROLLMENT_REQUIRED/);
    const { authenticator } = await enroll(before);
    await post('/auth/logout', {}, before).expect(200);
    const login = await post('/auth/login', { email, password: PASSWORD }).expect(200);
    expect(login.body).toMatchObject({ mfaRequired: true, methods: ['totp', 'backup_code'], expiresIn: 300 });
    expect(login.headers['set-cookie']).toBeUndefined();
    expect(login.headers['cache-control']).toBe('no-store');
    const code = authenticator.code();
    const verified = await post('/mfa/verify', { mfa_token: login.body.mfa_token, code }).expect(200);
    expect(Object.keys(verified.body)).toEqual(['accessToken']);
    expect(verified.headers['set-cookie']![0]).toContain(`demo_session=${verified.body.accessToken};`);
    await get('/vault', verified.body.accessToken).expect(200);
    await post('/mfa/verify', { mfa_token: await firstStep(), code }).expect(401);
  });

  it('S71 signs nobody in whose account was deleted after the password', async () => {
    const session = await register();
    const { authenticator } = await enroll(session);
    const mfa_token = await firstStep();
    const { id } = (await get('/auth/me', session).expect(200)).body;
    await app.get(DataSource).getRepository(User).delete({ id });
    const answer = await post('/mfa/verify', { mfa_token, code: authenticator.code() }).expect(401);
    expect(answer.body).toMatchObject({ code: 'MFA_TOKEN_INVALID' });
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(await app.get(DataSource).getRepository(UserSession).countBy({ userId: id })).toBe(0);
  });

  it('signs in with a backup code, once', async () => {
    const { backupCodes } = await enroll(await register());
    const code = backupCodes[0]!.toLowerCase();
    await post('/mfa/verify', { mfa_token: await firstStep(), code }).expect(200);
    await post('/mfa/verify', { mfa_token: await firstStep(), code }).expect(401);
  });

  it('asks a session from before the enrollment for a step-up', async () => {
    const [here, elsewhere] = [
      await register(),
      (await post('/auth/login', { email, password: PASSWORD })).body.accessToken,
    ];
    const { authenticator } = await enroll(here);
    await get('/vault', here).expect(200);
    const refused = await get('/vault', elsewhere).expect(401);
    expect(refused.body.code).toBe('MFA_STEP_UP_REQUIRED');
    await post('/mfa/step-up', { code: authenticator.code() }, elsewhere).expect(200);
    await get('/vault', elsewhere).expect(200);
    expect((await get('/auth/me', elsewhere)).body.amr).toEqual(['pwd', 'otp', 'mfa']);
  });

  it('requires a code from the last five minutes for a transfer, and keeps what was sent', async () => {
    const token = await register();
    const { authenticator } = await enroll(token);
    const transfer = { to: 'Łucja 北', amount: 12.35 };
    clock.advance(301);
    const refused = await post('/vault/transfer', transfer, token).expect(401);
    expect(refused.body.code).toBe('MFA_STEP_UP_REQUIRED');
    expect(refused.headers['www-authenticate']).toContain('max_age="300"');
    await post('/mfa/step-up', { code: authenticator.code() }, token).expect(200);
    await post('/vault/transfer', transfer, token).expect(200);
    const { body } = await get('/vault', token).expect(200);
    expect(body).toMatchObject({ owner: email, transfers: [transfer] });
  });

  it('ends the other sessions when factors are taken away, and takes the second factor from this one', async () => {
    const here = await register();
    const { backupCodes } = await enroll(here);
    const elsewhere = await post('/mfa/verify', { mfa_token: await firstStep(), code: backupCodes[0]! });
    await post('/mfa/disable', { code: backupCodes[1]! }, here).expect(200);
    await get('/auth/me', elsewhere.body.accessToken).expect(401);
    expect((await get('/auth/me', here).expect(200)).body).toMatchObject({ amr: ['pwd'], mfaAt: null });
    await get('/vault', here).expect(403, /MFA_ENROLLMENT_REQUIRED/);
    expect((await post('/auth/login', { email, password: PASSWORD }).expect(200)).body).toHaveProperty('accessToken');
  });

  it('lets sessions expire, and removes them by the cleanup of the library', async () => {
    const token = await register();
    const sessions = app.get(DataSource).getRepository(UserSession);
    const [left] = await sessions.findBy({ user: { email } });
    clock.advance(12 * 60 * 60 + 1);
    await get('/auth/me', token).expect(401);
    await app.get(MfaCleanupService).purge();
    expect(await sessions.existsBy({ tokenHash: left!.tokenHash })).toBe(false);
  });

  const NUL = '\u0000';
  const BODIES: [string, string][] = [
    ['null', 'null'],
    ['an array', '[]'],
    ['an array of one', '[{"email":"a@example.com","password":"12345678","to":"x","amount":1}]'],
    ['other types', '{"email":["a"],"password":{"a":1},"to":[],"amount":"1"}'],
    ['NUL', JSON.stringify({ email: `a${NUL}@example.com`, password: PASSWORD, to: NUL, amount: 1 })],
    [
      'lone surrogates',
      '{"email":"\\ud800@example.com","password":"\\ud800 \\ud800 \\ud800 \\ud800","to":"\\ud800","amount":1}',
    ],
    ['prototypes', '{"__proto__":{"email":"a@example.com"},"constructor":1}'],
    [
      'long values',
      JSON.stringify({
        email: `${'a'.repeat(300)}@example.com`,
        password: 'a'.repeat(257),
        to: 'a'.repeat(41),
        amount: 1e99,
      }),
    ],
    ['nothing', ''],
  ];

  describe('given bad input', () => {
    let token: string;

    beforeAll(async () => {
      email = 'bad@example.com';
      token = await register();
      await enroll(token);
    });

    it.each(BODIES)('S67 answers 400 to %s', async (_, body) => {
      for (const path of ['/auth/register', '/auth/login', '/vault/transfer']) {
        await withBearer(http().post(path), token).set('Content-Type', 'application/json').send(body).expect(400);
      }
    });
  });

  it.each([
    ['malformed JSON', 400, 'application/json', '{"email":'],
    ['too large a body', 413, 'application/json', JSON.stringify({ email: 'a'.repeat(200_000) })],
    ['a form', 415, 'application/x-www-form-urlencoded', 'email=a&password=b'],
    ['plain text', 415, 'text/plain', '{}'],
  ])('S67 refuses %s with %i', async (_, status, type, body) => {
    for (const path of ['/auth/register', '/auth/login', '/auth/logout', '/vault/transfer']) {
      await http().post(path).set('Content-Type', type).send(body).expect(status);
    }
  });

  it('refuses what another site sends', async () => {
    await http().post('/auth/logout').set('Origin', 'https://elsewhere.example').expect(403);
  });

  it('serves the page and the API description under a strict policy, and no other file', async () => {
    for (const path of ['/', '/assets/app.js', '/assets/style.css', '/docs', '/docs/', '/docs/swagger-ui-bundle.js']) {
      const { headers } = await http().get(path).expect(200);
      expect(headers['content-security-policy']).toMatch(/script-src 'self'(;|$)/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['x-powered-by']).toBeUndefined();
    }
    for (const path of ['/assets/..%2f..%2fpackage.json', '/assets/%00', '/docs/package.json', '/assets/nothing.js']) {
      await http().get(path).expect(404);
    }
  });

  it('describes its own routes and the MFA routes in one document', async () => {
    const { body } = await get('/docs-json').expect(200);
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        ...['/auth/login', '/vault/transfer', '/mfa/verify', '/mfa/status'],
        ...['/mfa/passkeys/setup', '/mfa/passkeys/confirm', '/mfa/passkeys/options'],
      ]),
    );
    expect(Object.keys(body.paths).filter((path) => /assets|docs/.test(path))).toEqual([]);
    expect(body.paths['/mfa/status'].get.security).toEqual([{ bearer: [] }, { cookie: [] }]);
    expect(await new Validator().validate(body)).toMatchObject({ valid: true });
  });
});
