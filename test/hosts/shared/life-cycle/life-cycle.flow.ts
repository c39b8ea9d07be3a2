import type { INestApplication } from '@nestjs/common';
import { MfaAdminService } from 'nestjs-mfa';
import { totp } from './sign-in.flow.js';

/** What the server returned: `code` is `OK`, or the error's code. */
export interface Reply {
  code: string;
  body: Record<string, any>;
}

/** One browser or phone of a user: it keeps whatever the application's sessions need. */
export interface LifeCycleBrowser {
  register(email: string, password: string): Promise<Reply>;
  login(email: string, password: string): Promise<Reply>;
  verify(mfaToken: string, code: string): Promise<Reply>;
  setup(password: string): Promise<Reply>;
  confirm(code: string): Promise<Reply>;
  stepUp(code: string): Promise<Reply>;
  disable(code: string): Promise<Reply>;
  /** Who is signed in: `amr` and `mfaAt` of the session. */
  me(): Promise<Reply>;
  /** A route with `@RequireMfa()`. */
  payouts(): Promise<Reply>;
  /** A route with `@RequireMfa({ maxAgeSeconds: 300 })`. */
  transfer(): Promise<Reply>;
  /** Renews the session. */
  refresh(): Promise<Reply>;
}

export interface LifeCycleApp {
  app: INestApplication;
  url: string;
  /** The code of a request without a session, on a guarded route. */
  signedOut: string;
  /** Acts on the application's users and sessions, as an administrator and the time do. */
  userId(email: string): string;
  block(email: string, blocked: boolean): void;
  ageSessions(email: string, seconds: number): void | Promise<void>;
}

/** The life of one user's second factor in an application, in whichever runner calls it. */
export function describeLifeCycle(
  start: () => Promise<LifeCycleApp>,
  Browser: new (url: string) => LifeCycleBrowser,
): void {
  describe('an application with nestjs-mfa, installed from its tarball', () => {
    const email = 'ada@acme.example';
    const password = 'correct horse';
    const stepNow = () => Math.floor(Date.now() / 30_000);
    let step: number;
    let host: LifeCycleApp;
    let laptop: LifeCycleBrowser;
    let backupCodes: string[];
    let secret: string;
    const spare = () => backupCodes.pop()!;

    beforeAll(async () => {
      host = await start();
      laptop = new Browser(host.url);
    }, 60_000);
    afterAll(() => host?.app.close());

    async function challenge(browser: LifeCycleBrowser): Promise<string> {
      const { body } = await browser.login(email, password);
      expect(body).toMatchObject({ mfaRequired: true, methods: ['totp', 'backup_code'] });
      return body.mfa_token as string;
    }
    async function enroll(browser: LifeCycleBrowser, at: number): Promise<void> {
      const setup = await browser.setup(password);
      expect(setup).toMatchObject({ code: 'OK', body: { secret: expect.any(String) } });
      secret = setup.body.secret;
      const confirm = await browser.confirm(totp(secret, at));
      expect(confirm).toMatchObject({ code: 'OK', body: { enabled: true } });
      backupCodes = confirm.body.backupCodes;
      expect(backupCodes).toHaveLength(10);
    }

    it('registers and signs in with the password alone before the enrollment', async () => {
      expect((await laptop.register(email, password)).code).toBe('OK');
      expect((await laptop.login(email, password)).code).toBe('OK');
      expect(await laptop.me()).toMatchObject({ code: 'OK', body: { amr: ['pwd'], mfaAt: null } });
      expect((await laptop.payouts()).code).toBe(NO_FACTOR);
    });

    it('S60 enrolls, after which this session passes the guard and the other session has ended', async () => {
      const other = new Browser(host.url);
      await other.login(email, password);
      expect((await other.me()).code).toBe('OK');
      expect((await laptop.setup('wrong')).code).toBe('MFA_PROOF_REQUIRED');
      step = stepNow();
      await enroll(laptop, step);
      expect((await laptop.payouts()).code).toBe('OK');
      expect((await other.me()).code).not.toBe('OK');
      expect((await other.payouts()).code).toBe(host.signedOut);
    });

    it('S49 signs in with a code, and the session has the methods of both factors', async () => {
      const phone = new Browser(host.url);
      const token = await challenge(phone);
      expect((await phone.payouts()).code).toBe(host.signedOut);
      expect((await phone.verify(token, totp(secret, step))).code).toBe('MFA_CODE_REJECTED');
      expect((await phone.verify(token, totp(secret, step + 1))).code).toBe('OK');
      const { body } = await phone.me();
      expect(body.amr.toSorted()).toEqual(['mfa', 'otp', 'pwd']);
      expect(Date.parse(body.mfaAt)).toBeGreaterThan(Date.now() - 60_000);
      expect((await phone.payouts()).code).toBe('OK');
      expect((await phone.transfer()).code).toBe('OK');
    });

    it('S47 requires a step-up when the second factor is old, and a refresh does not make it younger', async () => {
      await host.ageSessions(email, 600);
      expect((await laptop.refresh()).code).toBe('OK');
      const before = (await laptop.me()).body;
      expect((await laptop.transfer()).code).toBe('MFA_STEP_UP_REQUIRED');
      expect((await laptop.refresh()).code).toBe('OK');
      expect((await laptop.me()).body).toEqual(before);
      expect((await laptop.payouts()).code).toBe('OK');
      expect((await laptop.transfer()).code).toBe('MFA_STEP_UP_REQUIRED');
      expect((await laptop.stepUp('AAAA-AAAA')).code).toBe('MFA_CODE_REJECTED');
      expect((await laptop.stepUp(spare())).code).toBe('OK');
      expect((await laptop.transfer()).code).toBe('OK');
      expect((await laptop.refresh()).code).toBe('OK');
      expect((await laptop.transfer()).code).toBe('OK');
    });

    it('S71 does not sign in a user who was blocked between the factors', async () => {
      const phone = new Browser(host.url);
      const token = await challenge(phone);
      host.block(email, true);
      expect((await phone.verify(token, spare())).code).toBe('MFA_TOKEN_INVALID');
      host.block(email, false);
      expect((await phone.payouts()).code).toBe(host.signedOut);
    });

    it('S72 refuses an earlier mfaAt after disabling, and other sessions end', async () => {
      const phone = new Browser(host.url);
      expect((await phone.verify(await challenge(phone), spare())).code).toBe('OK');
      expect((await laptop.disable(spare())).code).toBe('OK');
      expect(await laptop.me()).toMatchObject({ code: 'OK', body: { mfaAt: null } });
      expect((await laptop.payouts()).code).toBe(NO_FACTOR);
      expect((await laptop.refresh()).code).toBe('OK');
      expect((await laptop.payouts()).code).toBe(NO_FACTOR);
      expect((await phone.payouts()).code).toBe(host.signedOut);
    });

    it('S72 a reset by an administrator ends every session', async () => {
      await enroll(laptop, stepNow());
      expect((await laptop.payouts()).code).toBe('OK');
      const admin = host.app.get(MfaAdminService, { strict: false });
      await admin.reset(host.userId(email), { actor: { system: 'test' }, requireEnrollment: false });
      expect((await laptop.payouts()).code).toBe(host.signedOut);
      expect((await laptop.refresh()).code).not.toBe('OK');
      expect((await laptop.login(email, password)).code).toBe('OK');
      expect((await laptop.payouts()).code).toBe(NO_FACTOR);
    });
  });
}

/** How the guard refuses a user who has no authenticator. */
const NO_FACTOR = 'MFA_ENROLLMENT_REQUIRED';
