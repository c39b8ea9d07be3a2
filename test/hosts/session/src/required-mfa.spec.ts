import { FirstFactors } from './accounts.js';
import { AcmeMfaHost } from './acme-mfa-host.js';
import { Browser, start } from './browser.js';
import * as express from './express.js';
import * as fastify from './fastify.js';
import type { LifeCycleApp } from './life-cycle.flow.js';
import { describeRequiredMfa, givePolicy, REQUIRED, RULES } from './required-mfa.flow.js';
import { totp } from './sign-in.flow.js';

givePolicy(AcmeMfaHost);

describe.each([
  ['Express', express],
  ['Fastify', fastify],
])('on %s', (_, { createApp, store }) => {
  describeRequiredMfa(() => start(createApp, store), Browser);

  describe('an enrollment by the cookie, in a browser that has the session of another user', () => {
    let host: LifeCycleApp;
    beforeAll(async () => {
      host = await start(createApp, store);
    }, 60_000);
    afterAll(() => host?.app.close());

    it('S73 S100 enrolls and signs in the user of the cookie, after which the cookie is gone', async () => {
      const [ada, bob] = ['ada@acme.example', 'bob@acme.example'];
      const browser = new Browser(host.url);
      for (const email of [ada, bob]) await browser.register(email, 'correct horse');
      await browser.login(bob, 'correct horse');
      RULES.policies.set(host.userId(ada), REQUIRED);

      const callback = await browser.byProvider(host.app.get(FirstFactors, { strict: false }).issue(ada));
      expect(callback).toEqual({ code: 'OK', body: { next: '/login/second-step' } });
      const attributes = /^mfa_token=[^;]+; Max-Age=900; Path=\/mfa; HttpOnly; SameSite=Lax; Secure$/;
      expect(browser.received).toContainEqual(expect.stringMatching(attributes));
      // The session of the other user stays, and decides where the page does not choose the cookie.
      expect((await browser.post('/mfa/totp/setup', {})).code).toBe('MFA_PROOF_REQUIRED');
      const setup = await browser.setupInLogin();
      const confirmed = await browser.confirmInLogin(totp(setup.body.secret, Math.floor(Date.now() / 30_000)));
      expect(confirmed).toMatchObject({ code: 'OK', body: { enabled: true } });
      const cleared = /^mfa_token=; Max-Age=0; Path=\/mfa; HttpOnly; SameSite=Lax; Secure$/;
      expect(browser.received).toContainEqual(expect.stringMatching(cleared));
      expect((await browser.get('/mfa/challenge')).code).toBe('MFA_TOKEN_INVALID');
      // Now it is the session of the user who enrolled.
      expect(await browser.get('/mfa/status')).toMatchObject({ code: 'OK', body: { enabled: true } });
      expect((await browser.me()).body.amr.toSorted()).toEqual(['fed', 'mfa', 'otp']);
      const other = new Browser(host.url);
      await other.login(bob, 'correct horse');
      expect(await other.get('/mfa/status')).toMatchObject({ code: 'OK', body: { enabled: false } });
    });
  });
});
