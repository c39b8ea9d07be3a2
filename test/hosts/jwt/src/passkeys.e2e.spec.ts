import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { FixedClock, MfaClock, VirtualPasskey } from 'nestjs-mfa/testing';
import { AppModule } from './app.module.js';

describe('passkeys', () => {
  const origin = 'http://localhost:3000'; // one of `passkeys.origins`
  const password = 'correct horse';
  const clock = new FixedClock(Date.now());
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

  /** A user with one passkey, in the session that registered it. */
  async function userWith(key: VirtualPasskey, email: string) {
    await post('/auth/register', { email, password });
    const { accessToken } = (await post('/auth/login', { email, password })).body;
    const setup = await post('/mfa/passkeys/setup', { password }, accessToken);
    const passkey = key.create(setup.body.options);
    return (await post('/mfa/passkeys/confirm', { name: 'Laptop', passkey }, accessToken)).body;
  }

  // #region flow
  it('registers a passkey, signs in with it, and steps up after five minutes', async () => {
    const key = new VirtualPasskey({ origin });
    const confirmed = await userWith(key, 'ada@acme.example');
    expect(confirmed.backupCodes).toHaveLength(10); // it is the first factor

    const login = (await post('/auth/login', { email: 'ada@acme.example', password })).body;
    expect(login.methods).toEqual(['passkey', 'backup_code']);
    const { mfa_token } = login;
    const { options } = (await post('/mfa/passkeys/options', { mfa_token })).body;
    const { accessToken } = (await post('/mfa/verify', { mfa_token, passkey: key.get(options) })).body;
    expect((await post('/api-keys', {}, accessToken)).status).toBe(201);

    clock.advance(301);
    expect((await post('/api-keys', {}, accessToken)).body.code).toBe('MFA_STEP_UP_REQUIRED');
    const again = (await post('/mfa/passkeys/options', {}, accessToken)).body.options;
    const { session } = (await post('/mfa/step-up', { passkey: key.get(again) }, accessToken)).body;
    expect((await post('/api-keys', {}, session.accessToken)).status).toBe(201);
  });
  // #endregion

  it('refuses a response of another page, one that is used twice, and a passkey that was removed', async () => {
    const key = new VirtualPasskey({ origin });
    const { session } = await userWith(key, 'bob@acme.example');
    const proof = async (purpose: string) =>
      (await post('/mfa/passkeys/options', { purpose }, session.accessToken)).body.options;

    const phished = key.get(await proof('step-up'), { origin: 'https://evil.example' });
    expect((await post('/mfa/step-up', { passkey: phished }, session.accessToken)).body.code).toBe('MFA_CODE_REJECTED');

    const used = { passkey: key.get(await proof('change')) };
    expect((await post('/mfa/backup-codes/regenerate', used, session.accessToken)).status).toBe(200);
    expect((await post('/mfa/disable', used, session.accessToken)).body.code).toBe('MFA_CODE_REJECTED');

    const passkey = key.get(await proof('change'));
    expect((await post('/mfa/disable', { passkey }, session.accessToken)).body.enabled).toBe(false);
    const login = (await post('/auth/login', { email: 'bob@acme.example', password })).body;
    expect(login.accessToken).toEqual(expect.any(String)); // no second step any more
  });
});
