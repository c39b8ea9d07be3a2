import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { FixedClock, MfaClock, VirtualAuthenticator } from 'nestjs-mfa/testing';
import { AppModule } from './app.module.js';

describe('sign-in with a second factor', () => {
  const ada = { email: 'ada@acme.example', password: 'correct horse' };
  const clock = new FixedClock(Date.now()); // the time of codes and of their age
  let app: INestApplication;

  beforeAll(async () => {
    const testing = Test.createTestingModule({ imports: [AppModule] });
    const module = await testing.overrideProvider(MfaClock).useValue(clock).compile();
    app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');
  });
  afterAll(() => app?.close());

  async function post(path: string, body: object, accessToken?: string): Promise<{ status: number; body: any }> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${accessToken}` };
    const response = await fetch((await app.getUrl()) + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  }

  it('enrolls, signs in with a code, and requires a newer code for a payout after five minutes', async () => {
    await post('/auth/register', ada);
    const first = (await post('/auth/login', ada)).body;
    const setup = await post('/mfa/totp/setup', { password: ada.password }, first.accessToken);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, clock);
    expect((await post('/mfa/totp/confirm', { code: phone.code() }, first.accessToken)).status).toBe(200);

    clock.advance(30); // a code works once, so take the next one
    const { mfa_token } = (await post('/auth/login', ada)).body;
    const tokens = (await post('/mfa/verify', { mfa_token, code: phone.code() })).body;
    expect((await post('/payouts', {}, tokens.accessToken)).status).toBe(201);

    clock.advance(301);
    const renewed = (await post('/auth/refresh', { refreshToken: tokens.refreshToken })).body;
    expect((await post('/payouts', {}, renewed.accessToken)).body.code).toBe('MFA_STEP_UP_REQUIRED');
    const { session } = (await post('/mfa/step-up', { code: phone.code() }, renewed.accessToken)).body;
    expect((await post('/payouts', {}, session.accessToken)).status).toBe(201);
  });
});
