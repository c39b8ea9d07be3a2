import type { ExecutionContext, INestApplication } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { Test } from '@nestjs/testing';
import { AccessTokens } from './access-tokens.js';
import { Users } from './accounts.js';
import { AppModule } from './app.module.js';
import { AuthModule } from './auth.module.js';
import { JWT_SECRET } from './jwt-auth.guard.js';
import { Tokens } from './tokens.js';

describe('access tokens without Passport', () => {
  let app: INestApplication;
  let users: Users;
  let tokens: Tokens;

  beforeAll(async () => {
    const imports = [AppModule, AuthModule, JwtModule.register({ secret: JWT_SECRET })];
    const module = await Test.createTestingModule({ imports, providers: [AccessTokens] }).compile();
    app = module.createNestApplication();
    await app.init();
    [users, tokens] = [app.get(Users, { strict: false }), app.get(Tokens, { strict: false })];
    users.register('ada@acme.example', 'correct horse');
  });
  afterAll(() => app?.close());

  const ada = () => users.byEmail('ada@acme.example');
  const open = () => tokens.open({ userId: ada().id, amr: ['pwd'], mfaAt: null });

  function principal(authorization?: string) {
    const getRequest = () => ({ headers: { authorization } });
    return app.get(AccessTokens).principal({ switchToHttp: () => ({ getRequest }) } as unknown as ExecutionContext);
  }

  it('returns the user and the session id of an access token', async () => {
    expect(await principal(`Bearer ${(await open()).accessToken}`)).toEqual({
      ...{ userId: ada().id, accountName: 'ada@acme.example' },
      ...{ sessionId: expect.any(String), amr: ['pwd'], mfaAt: null },
    });
  });

  it('returns null for a request without a token, and for a refresh token', async () => {
    expect(await principal()).toBeNull();
    expect(await principal(`Bearer ${(await open()).refreshToken}`)).toBeNull();
  });

  it('returns null for a token that does not agree with its row', async () => {
    const { accessToken } = await open();
    const { sessionId } = (await principal(`Bearer ${accessToken}`))!;
    await tokens.change(sessionId!, { amr: ['pwd', 'otp', 'mfa'], mfaAt: new Date() });
    expect(await principal(`Bearer ${accessToken}`)).toBeNull();
  });

  it('returns null for a token of a blocked user', async () => {
    const { accessToken } = await open();
    ada().blocked = true;
    expect(await principal(`Bearer ${accessToken}`)).toBeNull();
  });
});
