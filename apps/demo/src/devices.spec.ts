import { MfaAdminService } from 'nestjs-mfa';
import type { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DemoClient, PASSWORD, withBearer } from '../../../test/support/demo-client.js';
import { Browser } from '../../../test/support/device-client.js';
import { watchEvents } from '../../../test/support/watch-events.js';
import { hashPassword } from './accounts/passwords.js';
import { User } from './accounts/user.entity.js';

const DAY = 24 * 60 * 60;
const AGENT = { actor: { userId: 'agent-7' }, reason: 'stolen laptop' };
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const TRANSFER = { to: 'Grace Hopper', amount: 1 };

describe.each(['express', 'fastify'] as const)('trusted browsers in the demo on %s', (httpAdapter) => {
  let demo: DemoClient;
  let email: string;
  let browser: Browser;
  let session: string;
  let authenticator: VirtualAuthenticator;
  let backupCodes: string[];
  let count = 0;

  const users = () => demo.app.get(DataSource).getRepository(User);

  /** A POST from the browser, which keeps the cookies of the response. */
  async function send(path: string, body: object, from = browser, token = '') {
    const sent = withBearer(demo.http().post(path), token).set({ Cookie: from.header, 'User-Agent': FIREFOX });
    const response = await sent.send(body);
    from.keep(response);
    return response;
  }
  const login = (from = browser) => send('/auth/login', { email, password: PASSWORD }, from);

  /** Both steps, the second one with the box ticked. */
  async function trust(from = browser, proof: object = { code: authenticator.code() }) {
    const { mfa_token } = (await login(from)).body;
    const verified = await send('/mfa/verify', { mfa_token, ...proof, rememberDevice: true }, from);
    expect(verified.status).toBe(200);
    demo.clock.advance(30);
    return verified.body.accessToken as string;
  }

  const isTrusted = async (from = browser) => {
    const { status, body } = await login(from);
    expect(status).toBe(200);
    return 'accessToken' in body;
  };

  beforeAll(async () => {
    demo = await DemoClient.start(httpAdapter);
  });
  afterAll(() => demo?.stop());
  beforeEach(async () => {
    email = `joan${++count}@example.com`;
    browser = new Browser();
    session = (await send('/auth/register', { email, password: PASSWORD })).body.accessToken;
    ({ authenticator, backupCodes } = await demo.enroll(session));
  });

  it('S113 requires no second step in a trusted browser, opens the vault, and asks for a step-up after 5 minutes', async () => {
    await trust();
    expect(browser.received).toEqual([
      expect.stringMatching(/^demo_session=/),
      expect.stringMatching(
        /^mfa-device-[\w-]{22}=[\w-]{22}\.[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/,
      ),
    ]);
    demo.clock.advance(200);
    const { status, body } = await login();
    expect([status, Object.keys(body)]).toEqual([200, ['accessToken']]);
    expect(browser.received.map((each) => each.split('=')[0])).toEqual([
      expect.stringMatching(/^mfa-device-/),
      'demo_session',
    ]);
    expect((await demo.get('/auth/me', body.accessToken).expect(200)).body.amr).toEqual(['pwd', 'mfa']);
    await demo.get('/vault', body.accessToken).expect(200);
    await demo.post('/vault/transfer', TRANSFER, body.accessToken).expect(200);
    demo.clock.advance(3600);
    const later = (await login()).body.accessToken;
    await demo.get('/vault', later).expect(200);
    await demo.post('/vault/transfer', TRANSFER, later).expect(401, /MFA_STEP_UP_REQUIRED/);
    await demo.post('/mfa/step-up', { code: authenticator.code() }, later).expect(200);
    await demo.post('/vault/transfer', TRANSFER, later).expect(200);
  });

  it('S113 asks in another browser, without the box, and for another user of the trusted browser', async () => {
    const { mfa_token } = (await login()).body;
    await send('/mfa/verify', { mfa_token, code: authenticator.code() });
    demo.clock.advance(30);
    expect(await isTrusted()).toBe(false);
    await trust();
    expect(await isTrusted()).toBe(true);
    expect(await isTrusted(new Browser())).toBe(false);
    email = `other-${email}`;
    await demo.enroll((await send('/auth/register', { email, password: PASSWORD })).body.accessToken);
    expect(await isTrusted()).toBe(false);
  });

  it('S113 trusts no browser after a backup code', async () => {
    await trust(browser, { code: backupCodes[0]! });
    expect(await isTrusted()).toBe(false);
    expect([...browser.cookies.keys()]).toEqual(['demo_session']);
  });

  it('S111 ends with another password, because every login names the version of the password', async () => {
    await trust();
    expect(await isTrusted()).toBe(true);
    await users().update({ email }, { passwordHash: await hashPassword(PASSWORD) });
    expect(await isTrusted()).toBe(false);
  });

  it('S111 ends when the user turns two-step verification off and on, and after 30 days', async () => {
    const token = await trust();
    await demo.post('/mfa/disable', { code: authenticator.code() }, token).expect(200);
    ({ authenticator } = await demo.enroll(token));
    expect(await isTrusted()).toBe(false);
    await trust();
    demo.clock.advance(29 * DAY);
    expect(await isTrusted()).toBe(true);
    demo.clock.advance(DAY);
    expect(await isTrusted()).toBe(false);
  });

  it('lists the trusted browsers with "this one", and revokes one', async () => {
    const elsewhere = new Browser();
    await trust();
    await trust(elsewhere);
    const { devices } = (await demo.get('/mfa/devices', session).set('Cookie', browser.header).expect(200)).body;
    expect(devices).toMatchObject([
      { label: FIREFOX, method: 'totp', current: false },
      { label: FIREFOX, method: 'totp', current: true },
    ]);
    const revoked = await send(`/mfa/devices/${devices[0].id}/revoke`, {}, browser, session);
    expect(revoked.body.devices).toMatchObject([{ id: devices[1].id, current: true }]);
    expect([await isTrusted(), await isTrusted(elsewhere)]).toEqual([true, false]);
    await demo.post(`/mfa/devices/${devices[0].id}/revoke`, {}, session).expect(404, /MFA_DEVICE_NOT_FOUND/);
  });

  it('S112 raises no alarm when three tabs log in at once', async () => {
    await trust();
    const events = watchEvents();
    const answers = await Promise.all([login(browser.copy()), login(), login(browser.copy())]);
    expect(answers.map(({ body }) => Object.keys(body))).toEqual([['accessToken'], ['accessToken'], ['accessToken']]);
    expect(await isTrusted()).toBe(true);
    expect(await events.stop()).toEqual(Array(4).fill('mfa.device.used'));
  });

  it('ends the trust in every browser when an administrator revokes them', async () => {
    await trust();
    const { id } = await users().findOneByOrFail({ email });
    await demo.app.get(MfaAdminService, { strict: false }).revokeDevices(id, AGENT);
    expect(await isTrusted()).toBe(false);
  });
});
