import { MfaAdminService, type MfaHost, type MfaPolicy } from 'nestjs-mfa';
import { FirstFactors } from './accounts.js';
import type { LifeCycleApp, LifeCycleBrowser, Reply } from './life-cycle.flow.js';
import { totp } from './sign-in.flow.js';

/** A browser or phone that keeps the token of a login which is not complete. */
export interface EnrollingBrowser extends LifeCycleBrowser {
  byProvider(code: string): Promise<Reply>;
  byLink(token: string): Promise<Reply>;
  /** The result of the login again. */
  openLogin(): Promise<Reply>;
  /** From when a policy requires a second factor of the signed-in user. */
  dueAt(): Promise<string>;
  verifyInLogin(code: string, method?: string): Promise<Reply>;
  setupInLogin(recoveryCode?: string): Promise<Reply>;
  confirmInLogin(code: string): Promise<Reply>;
  cancelInLogin(): Promise<Reply>;
}

export const REQUIRED: MfaPolicy = { id: 'staff', required: true };
const DAY = 24 * 60 * 60;

/** What the application decides. */
export const RULES = {
  /** By user id. */
  policies: new Map<string, MfaPolicy>(),
  authorizes: true,
};

/** Gives the adapter of the application a policy. Call it before the application starts. */
export function givePolicy({ prototype }: { prototype: MfaHost }): void {
  prototype.policy = (userId) => RULES.policies.get(userId) ?? null;
  prototype.authorizeEnrollment = () => RULES.authorizes;
}

/** The life of a user whom a policy requires, by each login path, in whichever runner calls it. */
export function describeRequiredMfa(
  start: () => Promise<LifeCycleApp>,
  Browser: new (url: string) => EnrollingBrowser,
): void {
  describe('an application whose policy requires a second factor', () => {
    const password = 'correct horse';
    const now = (secret: string) => totp(secret, Math.floor(Date.now() / 30_000));
    let host: LifeCycleApp;
    let email: string;
    let users = 0;

    beforeAll(async () => {
      host = await start();
    }, 60_000);
    afterAll(() => host?.app.close());
    beforeEach(async () => {
      email = `required${(users += 1)}@acme.example`;
      await new Browser(host.url).register(email, password);
    });

    const firstFactor = () => host.app.get(FirstFactors, { strict: false }).issue(email);
    const PATHS = {
      'a password': { amr: 'pwd', enter: (browser: EnrollingBrowser) => browser.login(email, password) },
      OAuth: { amr: 'fed', enter: (browser: EnrollingBrowser) => browser.byProvider(firstFactor()) },
      'a magic link': { amr: 'email', enter: (browser: EnrollingBrowser) => browser.byLink(firstFactor()) },
    };

    /** A browser whose login is not complete. */
    async function enter(path = PATHS['a password']): Promise<EnrollingBrowser> {
      const browser = new Browser(host.url);
      expect((await path.enter(browser)).code).toBe('OK');
      expect((await browser.me()).code).not.toBe('OK');
      expect((await browser.payouts()).code).toBe(host.signedOut);
      return browser;
    }

    /** Enrolls within the login, which signs the user in. */
    async function enroll(browser: EnrollingBrowser, recoveryCode?: string): Promise<string[]> {
      const setup = await browser.setupInLogin(recoveryCode);
      const confirmed = await browser.confirmInLogin(now(setup.body.secret));
      expect(confirmed).toMatchObject({ code: 'OK', body: { enabled: true, login: expect.anything() } });
      expect((await browser.payouts()).code).toBe('OK');
      expect((await browser.openLogin()).code).toBe('MFA_TOKEN_INVALID');
      return confirmed.body.backupCodes;
    }

    it.each(Object.entries(PATHS))('S100 S101 leads a login by %s to an enrollment, after grace', async (_, path) => {
      const userId = host.userId(email);
      RULES.policies.set(userId, { ...REQUIRED, graceSeconds: DAY });
      const [early, from] = [new Browser(host.url), Date.now()];
      expect((await path.enter(early)).code).toBe('OK');
      const graceMs = Date.parse(await early.dueAt()) - from;
      expect(graceMs).toBeGreaterThanOrEqual(DAY * 1000);
      expect(graceMs).toBeLessThan((DAY + 60) * 1000);
      expect(await early.me()).toMatchObject({ code: 'OK', body: { amr: [path.amr], mfaAt: null } });

      RULES.policies.set(userId, REQUIRED);
      const browser = await enter(path);
      const open = await browser.openLogin();
      expect(open.body).toMatchObject({ mfaRequired: true, enrollmentRequired: true, methods: [] });
      expect(open.body.enrollmentMethods).toContain('totp');
      RULES.authorizes = false;
      expect((await browser.setupInLogin()).code).toBe('MFA_PROOF_REQUIRED');
      RULES.authorizes = true;
      const cancelled = await browser.setupInLogin();
      expect((await browser.cancelInLogin()).code).toBe('OK');
      expect((await browser.confirmInLogin(now(cancelled.body.secret))).code).toBe('MFA_SETUP_NOT_FOUND');
      expect((await browser.me()).code).not.toBe('OK');

      const backupCodes = await enroll(browser);
      expect((await browser.me()).body.amr.toSorted()).toEqual([path.amr, 'mfa', 'otp'].toSorted());
      expect((await early.me()).code).not.toBe('OK'); // the session of before the enrollment has ended
      const again = await enter(path);
      expect((await again.openLogin()).body).toMatchObject({ mfaRequired: true, methods: ['totp', 'backup_code'] });
      expect((await again.verifyInLogin(backupCodes[0]!)).code).toBe('OK');
      expect((await again.payouts()).code).toBe('OK');
      expect((await again.disable(backupCodes[1]!)).code).toBe('MFA_REQUIRED_BY_POLICY');
    });

    it('S102 S104 leads from a recovery code, and after a reset, to a new factor', async () => {
      RULES.policies.set(host.userId(email), REQUIRED);
      const admin = host.app.get(MfaAdminService, { strict: false });
      const AGENT = { actor: { userId: 'agent-7' }, reason: 'lost phone' };
      const [old] = await enroll(await enter());
      const recovery = await admin.issueRecoveryCode(host.userId(email), AGENT);
      const recovering = await enter();
      expect((await recovering.verifyInLogin(recovery.code, 'recovery_code')).code).toBe('OK');
      expect((await recovering.me()).code).not.toBe('OK');
      expect((await recovering.openLogin()).body).toMatchObject({ enrollmentRequired: true });
      await enroll(recovering);
      expect((await (await enter()).verifyInLogin(old!)).code).toBe('MFA_CODE_REJECTED');

      await admin.reset(host.userId(email), AGENT);
      expect((await recovering.me()).code).not.toBe('OK');
      RULES.policies.delete(host.userId(email));
      RULES.authorizes = false;
      const reset = await enter();
      expect((await reset.setupInLogin()).code).toBe('MFA_PROOF_REQUIRED');
      const { code } = await admin.issueRecoveryCode(host.userId(email), AGENT);
      await enroll(reset, code);
      RULES.authorizes = true;
    });
  });
}
