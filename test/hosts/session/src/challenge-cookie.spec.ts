import { Browser, start } from './browser.js';
import * as express from './express.js';
import * as fastify from './fastify.js';
import type { LifeCycleApp } from './life-cycle.flow.js';
import { totp } from './sign-in.flow.js';

describe.each([
  ['Express', express],
  ['Fastify', fastify],
])('a login page that is reloaded, on %s', (_, { createApp, store }) => {
  let host: LifeCycleApp;
  beforeAll(async () => {
    host = await start(createApp, store);
  }, 60_000);
  afterAll(() => host?.app.close());

  it('S42 reads the challenge from its cookie, completes the login with it, and receives the state of the first factor', async () => {
    const [email, password] = ['grace@acme.example', 'correct horse'];
    const browser = new Browser(host.url);
    await browser.register(email, password);
    await browser.login(email, password);
    const { body } = await browser.setup(password);
    const step = Math.floor(Date.now() / 30_000);
    expect((await browser.confirm(totp(body.secret, step))).code).toBe('OK');

    const page = new Browser(host.url);
    await page.login(email, password);
    const open = await page.get('/mfa/challenge');
    expect(open).toMatchObject({ code: 'OK', body: { mfaRequired: true, methods: ['totp', 'backup_code'] } });
    expect(open.body).not.toHaveProperty('mfa_token');
    const verified = await page.post('/mfa/verify', { code: totp(body.secret, step + 1) });
    expect(verified).toEqual({ code: 'OK', body: { returnTo: '/payouts' } });
    expect((await page.payouts()).code).toBe('OK');
    // The cookie is gone with the challenge.
    expect((await page.get('/mfa/challenge')).code).toBe('MFA_TOKEN_INVALID');
  });
});
