import { BY_TEST, RESET } from '../support/reset.js';
import { Controller, Get, Injectable, Param, Post, Res, UseGuards, type CanActivate } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  ChallengeRoute,
  CurrentChallenge,
  MfaAdminService,
  MfaChallengeService,
  MfaGuard,
  MfaVerificationService,
  SkipMfa,
  type MfaCookieResponse,
  type MfaChallenge,
} from 'nestjs-mfa';
import { Client } from '../support/client.js';
import {
  ADAPTERS,
  dumpTables,
  FEW_CODES,
  providerNamed,
  startHostApp,
  TestHost,
  type HostApp,
} from '../support/host-app.js';

@Controller()
class RedirectingLogin {
  constructor(private readonly challenges: MfaChallengeService) {}

  @Get('oauth/callback/:user')
  @SkipMfa()
  async callback(@Param('user') user: string, @Res({ passthrough: true }) response: MfaCookieResponse) {
    const { mfaRequired } = await this.challenges.issue(user, { cookie: response });
    return { mfaRequired };
  }

  @Post('who')
  @ChallengeRoute()
  who(@CurrentChallenge() challenge: MfaChallenge) {
    return challenge;
  }

  @Get('without-guard')
  @SkipMfa()
  noGate(@CurrentChallenge() challenge: MfaChallenge) {
    return challenge;
  }

  @Get('guarded')
  @UseGuards(MfaGuard)
  guarded() {
    return { in: true };
  }
}

describe.each(ADAPTERS)('the challenge over %s', (adapter) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `challenged-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({
      adapter,
      options: FEW_CODES,
      controllers: [RedirectingLogin],
      configure: (app) => app.setGlobalPrefix('api', { exclude: ['login', 'mfa/*path', 'oauth/*path', 'who'] }),
    });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  const postTo = (path: string) => request(host.app.getHttpServer()).post(path);

  it('is not required of a user who has no authenticator', async () => {
    expect((await newUser().loginAnswer()).body).toEqual({ accessToken: expect.any(String) });
  });

  it('consists of the token, the methods that complete it, and its lifetime in seconds', async () => {
    const user = newUser();
    await user.enroll();
    expect((await user.loginAnswer()).body).toEqual({
      mfaRequired: true,
      mfa_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      methods: ['totp', 'backup_code'],
      expiresIn: 300,
    });
  });

  it('stops offering backup codes when all are used', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    for (const code of backupCodes) await user.signIn(code);
    expect((await user.loginAnswer()).body.methods).toEqual(['totp']);
    expect((await user.get('/mfa/status')).body.methods).toEqual(['totp']);
  });

  it('is injected into a route of the host, without internal fields', async () => {
    const user = newUser();
    await user.enroll();
    const answer = await postTo('/who').send({ mfa_token: await user.login() });
    expect(answer.body).toEqual({
      userId: user.userId,
      tokenId: expect.any(String),
      securityStamp: expect.any(Number),
      expiresAt: new Date(host.clock.nowMs() + 300_000).toISOString(),
    });
  });

  it('S45 is not injected into a route whose guard checked none', async () => {
    const user = newUser();
    await user.enroll();
    const token = await user.login();
    const server = request(host.app.getHttpServer());
    await server
      .get('/api/without-guard')
      .set('x-mfa-token', token)
      .expect(401, /MFA_TOKEN_INVALID/);
  });

  it('S44a S41 admits the holder of an mfa_token alone to no other route', async () => {
    const user = newUser();
    await user.enroll();
    const token = await user.login();
    for (const path of ['/api/guarded', '/api/payouts', '/api/transfers', '/mfa/status']) {
      await new Client(host, user.userId, token).get(path).expect(401, /MFA_NOT_AUTHENTICATED/);
      const answer = await request(host.app.getHttpServer()).get(path).set('x-mfa-token', token);
      expect(answer.body.code).toBe('MFA_NOT_AUTHENTICATED');
    }
  });

  describe('the place of the token', () => {
    const ways: [string, (token: string, code: string) => request.Test][] = [
      ['the body', (mfa_token, code) => postTo('/mfa/verify').send({ mfa_token, code })],
      ['Bearer', (token, code) => postTo('/mfa/verify').set('Authorization', `Bearer ${token}`).send({ code })],
      [
        'bearer in lower case',
        (token, code) => postTo('/mfa/verify').set('Authorization', `bearer ${token}`).send({ code }),
      ],
      ['x-mfa-token', (token, code) => postTo('/mfa/verify').set('x-mfa-token', token).send({ code })],
      [
        'the cookie',
        (token, code) => postTo('/mfa/verify').set('Cookie', `a=1; mfa_token=${token}; b=2`).send({ code }),
      ],
    ];

    it.each(ways)('may be %s', async (_, send) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const answer = await send(await user.login(), authenticator.code()).expect(200);
      expect(answer.body).toEqual({ accessToken: expect.any(String) });
    });

    it('is the body before any header', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const code = authenticator.code();
      const token = await user.login();
      const headers = { Authorization: 'Bearer nonsense', 'x-mfa-token': 'nonsense', Cookie: 'mfa_token=nonsense' };
      await postTo('/mfa/verify')
        .set(headers)
        .send({ mfa_token: 'nonsense', code })
        .expect(401, /MFA_TOKEN_INVALID/);
      await postTo('/mfa/verify')
        .set('Authorization', `Bearer ${token}`)
        .send({ mfa_token: 'nonsense', code })
        .expect(401);
      await postTo('/mfa/verify').set(headers).send({ mfa_token: token, code }).expect(200);
    });

    it('S21 is never the URL', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const query = new URLSearchParams({ mfa_token: await user.login(), access_token: await user.login() });
      const answer = await postTo(`/mfa/verify?${query}`).send({ code: authenticator.code() });
      expect(answer.body.code).toBe('MFA_TOKEN_INVALID');
    });
  });

  describe('GET /mfa/challenge', () => {
    const at = (path: string) => request(host.app.getHttpServer()).get(path);

    it('returns what issue() returned, without the token, and for as long as the token lives', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const { mfa_token, ...issued } = (await user.loginAnswer().expect(201)).body;
      const ways = [
        { 'x-mfa-token': mfa_token },
        { Authorization: `Bearer ${mfa_token}` },
        { Cookie: `mfa_token=${mfa_token}` },
      ];
      for (const headers of ways) {
        const answer = await at('/mfa/challenge').set(headers).expect(200);
        expect(answer.body).toEqual(issued);
        expect(answer.headers['cache-control']).toBe('no-store');
      }
      host.clock.advance(100);
      expect((await at('/mfa/challenge').set(ways[0]!).expect(200)).body.expiresIn).toBe(200);
      await user.verify(mfa_token, authenticator.code()).expect(200);
      await at('/mfa/challenge')
        .set(ways[0]!)
        .expect(401, /MFA_TOKEN_INVALID/);
    });

    it('S55 refuses a session and a revoked token, and counts nothing', async () => {
      const user = newUser();
      await user.enroll();
      const mfa_token = await user.login();
      await user.get('/mfa/challenge').expect(401, /MFA_TOKEN_INVALID/);
      await at('/mfa/challenge').expect(401, /MFA_TOKEN_INVALID/);
      await at(`/mfa/challenge?mfa_token=${mfa_token}`).expect(401, /MFA_TOKEN_INVALID/);
      await host.app.get(MfaAdminService, { strict: false }).invalidate(user.userId, BY_TEST);
      await at('/mfa/challenge')
        .set('x-mfa-token', mfa_token)
        .expect(401, /MFA_TOKEN_INVALID/);
    });
  });

  describe('S41 the Bearer value of the host', () => {
    it('remains the host session, and the challenge comes from the cookie', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const send = postTo('/mfa/verify').set('Cookie', `mfa_token=${await user.login()}`);
      await send.set('Authorization', `Bearer ${user.session}`).send({ code: authenticator.code() }).expect(200);
    });

    it('decides when it has the type of an mfa_token, valid or not', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const [token, cookie] = [await user.login(), `mfa_token=${await user.login()}`];
      const send = postTo('/mfa/verify').set('Cookie', cookie).set('Authorization', `Bearer ${token}x`);
      await send.send({ code: authenticator.code() }).expect(401, /MFA_TOKEN_INVALID/);
    });
  });

  describe('the challenge cookie, for logins that redirect', () => {
    it('is HttpOnly, SameSite=Lax, Secure, lives as long as the token, and is sent to the built-in routes only', async () => {
      const user = newUser();
      await user.enroll();
      const answer = await request(host.app.getHttpServer()).get(`/oauth/callback/${user.userId}`).expect(200);
      expect(answer.body).toEqual({ mfaRequired: true });
      expect(answer.get('Set-Cookie')).toEqual([
        expect.stringMatching(/^mfa_token=[\w.-]+; Max-Age=300; Path=\/mfa; HttpOnly; SameSite=Lax; Secure$/),
      ]);
    });

    it('completes a login and is cleared afterwards; a wrong code leaves it', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const started = await request(host.app.getHttpServer()).get(`/oauth/callback/${user.userId}`);
      const cookie = started.get('Set-Cookie')![0]!.split(';')[0]!;
      const wrong = await postTo('/mfa/verify').set('Cookie', cookie).send({ code: '000000' }).expect(401);
      expect(wrong.get('Set-Cookie')).toBeUndefined();
      const right = await postTo('/mfa/verify').set('Cookie', cookie).send({ code: authenticator.code() }).expect(200);
      expect(right.get('Set-Cookie')).toEqual([expect.stringMatching(/^mfa_token=; Max-Age=0; Path=\/mfa;/)]);
    });

    it('is not set where no second step is needed', async () => {
      const answer = await request(host.app.getHttpServer()).get(`/oauth/callback/${newUser().userId}`);
      expect(answer.get('Set-Cookie')).toBeUndefined();
    });
  });

  describe('S43 S59 tokens issued earlier', () => {
    const admin = () => host.app.get(MfaAdminService, { strict: false });

    async function expectDead(user: Client, token: string, code: string): Promise<void> {
      const answer = await user.verify(token, code).expect(401);
      expect(answer.body.code).toBe('MFA_TOKEN_INVALID');
      // A route of the host does not spend the token, so its guard has to look.
      await postTo('/who')
        .send({ mfa_token: token })
        .expect(401, /MFA_TOKEN_INVALID/);
    }

    it('end when MFA is disabled, and stay invalid after a new enrollment', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
      await expectDead(user, token, authenticator.code(1));
      const again = await user.enroll();
      await expectDead(user, token, again.authenticator.code());
    });

    it.each([
      ['the user is reset', (id: string) => admin().reset(id, RESET)],
      ['the password was changed', (id: string) => admin().passwordChanged(id, BY_TEST)],
      ['an administrator revokes them', (id: string) => admin().invalidate(id, BY_TEST)],
      ['the user is purged', (id: string) => admin().purgeUser(id, BY_TEST)],
    ])('end when %s', async (_, change) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      await change(user.userId);
      await expectDead(user, token, authenticator.code());
    });

    it('end when an authenticator is removed', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const other = await user.enrollAnother(authenticator.code());
      const token = await user.login();
      await user.post(`/mfa/authenticators/${other.id}/remove`, { code: authenticator.code() }).expect(200);
      await expectDead(user, token, authenticator.code(1));
    });

    it('stay valid through a lock, so that a backup code still signs in', async () => {
      const user = newUser();
      const { authenticator, backupCodes } = await user.enroll();
      const token = await user.login();
      for (let i = 0; i < 5; i += 1) await user.verify(token, '000000').expect(401);
      await user.verify(token, authenticator.code()).expect(429);
      await user.verify(token, backupCodes[0]).expect(200);
    });
  });

  it('S40 expires five minutes after it was issued, not before', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const [first, second] = [await user.login(), await user.login()];
    host.clock.advance(299);
    await user.verify(first, authenticator.code()).expect(200);
    host.clock.advance(1);
    await user.verify(second, authenticator.code(1)).expect(401, /MFA_TOKEN_INVALID/);
  });

  it('S44 S27 is spent by the login that it completes', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const token = await user.login();
    await user.verify(token, authenticator.code()).expect(200);
    host.clock.advance(30);
    await user.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    await postTo('/who')
      .send({ mfa_token: token })
      .expect(401, /MFA_TOKEN_INVALID/);
  });

  it('S55 changes no counter once its token is spent, whatever code is sent', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    await user.verify(token, authenticator.code()).expect(200);
    const before = await dumpTables(host);
    for (const code of ['000000', 'ZZZZ-ZZZ2', 'hello', backupCodes[0], authenticator.code(1)]) {
      await user.verify(token, code).expect(401, /MFA_TOKEN_INVALID/);
    }
    expect(await dumpTables(host)).toEqual(before);
  });

  it('S34 S43 completes nothing once its token is spent or revoked, even if it was checked earlier', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const [challenges, verification] = [host.app.get(MfaChallengeService), host.app.get(MfaVerificationService)];
    const [spent, revoked] = [await user.login(), await user.login()];
    const [first, second] = [await challenges.check(spent), await challenges.check(revoked)];
    await user.verify(spent, authenticator.code()).expect(200);
    const invalid = { code: 'MFA_TOKEN_INVALID' };
    await expect(verification.verify(first, { code: authenticator.code(1) })).rejects.toMatchObject(invalid);
    await host.app.get(MfaAdminService, { strict: false }).invalidate(user.userId, BY_TEST);
    await expect(verification.verify(second, { code: authenticator.code(1) })).rejects.toMatchObject(invalid);
    // Neither its fields nor a look-alike make another user or token of it.
    const third = await challenges.check(await user.login());
    Object.assign(third, { userId: 'somebody-else', tokenId: 'x', securityStamp: 1 });
    await expect(verification.verify(third, { code: authenticator.code(1) })).resolves.toMatchObject({
      login: { userId: user.userId },
    });
    const lookAlike = { ...third } as MfaChallenge;
    await expect(verification.verify(lookAlike, { code: authenticator.code(1) })).rejects.toMatchObject(invalid);
  });

  it('S44 is spent even when completeLogin then throws', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const token = await user.login();
    vi.spyOn(TestHost.prototype, 'completeLogin').mockImplementationOnce(() => {
      throw new Error('the session store is down');
    });
    const failed = await user.verify(token, authenticator.code()).expect(500);
    expect(failed.text).not.toContain('session store');
    host.clock.advance(30);
    await user.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    await user.verify(await user.login(), authenticator.code()).expect(200);
  });
});

describe('S43a a confirmed authenticator always requires MFA', () => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `enrolled-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({
      options: { ...FEW_CODES, attempts: { maxFailures: 2, disableAfter: 2, lockSeconds: 60, maxLockSeconds: 60 } },
    });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it('when too many failures disabled it; a backup code signs in, and a new enrollment makes it work again', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    for (let i = 0; i < 2; i += 1) await user.verify(token, '000000').expect(401);
    host.clock.advance(61);
    expect((await user.loginAnswer()).body).toMatchObject({ mfaRequired: true });
    await user.verify(await user.login(), authenticator.code()).expect(429, /MFA_LOCKED/);
    const session = await user.signIn(backupCodes[0]!);
    const setup = await session.enrollAnother(backupCodes[1]!);
    await user.signIn(setup.authenticator.code());
  });

  it('when its secret cannot be decrypted; a backup code signs in', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await host.dataSource.query(`UPDATE mfa_authenticator SET secret = 'gone' WHERE user_id = '${user.userId}'`);
    expect((await user.loginAnswer()).body).toMatchObject({ mfaRequired: true });
    await user.verify(await user.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
    await user.signIn(backupCodes[0]!);
  });

  it('when its row was deleted', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    await host.dataSource.query(`DELETE FROM mfa_authenticator WHERE user_id = '${user.userId}'`);
    expect((await user.loginAnswer()).body).toMatchObject({ mfaRequired: true });
    await user.signIn(backupCodes[0]!);
  });

  it('when the store fails: the login fails', async () => {
    const user = newUser();
    await user.enroll();
    const accounts = providerNamed<{ loadForLogin(): Promise<unknown> }>(host, 'MfaAccountStore');
    vi.spyOn(accounts, 'loadForLogin').mockRejectedValue(new Error('no database'));
    await user.loginAnswer().expect(500);
  });
});

describe('a custom token extractor', () => {
  it('is the only source of the token, and an error that it throws denies access', async () => {
    const extractToken = vi.fn<(context: unknown) => string | null | undefined>();
    const host = await startHostApp({ options: { ...FEW_CODES, challenge: { extractToken } } });
    const user = new Client(host, 'custom');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    const verify = () => user.verify(token, authenticator.code());
    extractToken.mockReturnValueOnce(null);
    await verify().expect(401, /MFA_TOKEN_INVALID/);
    extractToken.mockReturnValueOnce(undefined);
    await verify().expect(401, /MFA_TOKEN_INVALID/);
    extractToken.mockReturnValueOnce(42 as never);
    await verify().expect(400, /MFA_BAD_REQUEST/);
    extractToken.mockImplementationOnce(() => {
      throw new Error('bug of the host');
    });
    await verify().expect(500);
    extractToken.mockReturnValueOnce(token);
    await verify().expect(200);
    await host.close();
  });
});

describe('the verification route behind a global guard of the host', () => {
  const PUBLIC = 'isPublic';
  const Public = () => (_: object, __: string | symbol, descriptor: PropertyDescriptor) =>
    Reflect.defineMetadata(PUBLIC, true, descriptor.value as object);

  @Injectable()
  class SessionGuard implements CanActivate {
    canActivate(context: Parameters<CanActivate['canActivate']>[0]): boolean {
      if (context.getClass().name === 'HostController') return true;
      if (Reflect.getMetadata(PUBLIC, context.getHandler()) === true) return true;
      const { headers } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
      return headers.authorization?.startsWith('Bearer session-') ?? false;
    }
  }

  it.each([
    [[Public()], 200],
    [[], 403],
  ])('with http.publicDecorators %j it returns %i', async (publicDecorators, status) => {
    const host = await startHostApp({
      options: { ...FEW_CODES, http: { publicDecorators } },
      providers: [{ provide: APP_GUARD, useClass: SessionGuard }],
    });
    const user = new Client(host, 'public');
    const { authenticator } = await user.enroll();
    await user.verify(await user.login(), authenticator.code()).expect(status);
    await host.close();
  });
});
