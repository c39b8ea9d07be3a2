import { FirstFactors, Users } from './accounts.js';
import type { LifeCycleApp, Reply } from './life-cycle.flow.js';
import type { EnrollingBrowser } from './required-mfa.flow.js';
import { totp } from './sign-in.flow.js';

export interface TrustedDevice {
  id: string;
  current: boolean;
}

/** A browser or app that the user can trust. */
export interface TrustingBrowser extends EnrollingBrowser {
  /** The second step, after which this device is trusted. */
  trustInLogin(code: string): Promise<Reply>;
  devices(): Promise<TrustedDevice[]>;
  revokeDevice(id: string): Promise<Reply>;
  /** Forgets the session. What makes the device trusted stays. */
  closeSession(): void;
}

/**
 * Trusted devices by each login path, in whichever runner calls it.
 * @param device `isBrowser`: the device is trusted by a cookie, and not by a token that the application passes on
 */
export function describeTrustedDevices(
  start: () => Promise<LifeCycleApp>,
  Browser: new (url: string) => TrustingBrowser,
  { isBrowser }: { isBrowser: boolean },
): void {
  describe('an application with trusted devices', () => {
    let host: LifeCycleApp;
    let email: string;
    let password: string;
    let code: string;
    let backupCodes: string[];
    let users = 0;

    beforeAll(async () => {
      host = await start();
    }, 60_000);
    afterAll(() => host?.app.close());
    beforeEach(async () => {
      email = `trusting${(users += 1)}@acme.example`;
      password = 'correct horse';
      const laptop = new Browser(host.url);
      await laptop.register(email, password);
      await laptop.login(email, password);
      const { body } = await laptop.setup(password);
      const step = Math.floor(Date.now() / 30_000);
      const confirmed = await laptop.confirm(totp(body.secret, step));
      expect(confirmed.code).toBe('OK');
      backupCodes = confirmed.body.backupCodes;
      code = totp(body.secret, step + 1);
    });

    const firstFactor = () => host.app.get(FirstFactors, { strict: false }).issue(email);
    const PATHS = {
      'a password': { amr: 'pwd', enter: (browser: TrustingBrowser) => browser.login(email, password) },
      OAuth: { amr: 'fed', enter: (browser: TrustingBrowser) => browser.byProvider(firstFactor()) },
      'a magic link': { amr: 'email', enter: (browser: TrustingBrowser) => browser.byLink(firstFactor()) },
    };
    const byPassword = PATHS['a password'];

    /** Whether the first factor alone opens a session that passes the guard. */
    async function isTrusted(browser: TrustingBrowser, path = byPassword): Promise<boolean> {
      browser.closeSession();
      expect((await path.enter(browser)).code).toBe('OK');
      const reply = await browser.payouts();
      expect([host.signedOut, 'OK']).toContain(reply.code);
      return reply.code === 'OK';
    }

    it.each(Object.entries(PATHS))(
      'S111 skips the second step of a login by %s on this device only, until the password changes',
      async (_, path) => {
        const [device, other] = [new Browser(host.url), new Browser(host.url)];
        expect(await isTrusted(device, path)).toBe(false);
        expect((await device.trustInLogin(code)).code).toBe('OK');
        const { mfaAt } = (await device.me()).body;
        for (let logins = 0; logins < 2; logins += 1) expect(await isTrusted(device, path)).toBe(true);
        const session = (await device.me()).body;
        expect(session.amr.toSorted()).toEqual([path.amr, 'mfa'].toSorted());
        expect(session.mfaAt).toBe(mfaAt);
        expect(await isTrusted(other, path)).toBe(false);
        // A device is trusted by every login path of the user.
        expect(await isTrusted(device)).toBe(true);

        password = 'battery staple';
        host.app.get(Users, { strict: false }).changePassword(host.userId(email), password);
        expect(await isTrusted(device, path)).toBe(false);
      },
    );

    it('S113 does not trust a device after a backup code', async () => {
      const device = new Browser(host.url);
      await device.login(email, password);
      expect((await device.trustInLogin(backupCodes[0]!)).code).toBe('OK');
      expect(await device.devices()).toEqual([]);
      expect(await isTrusted(device)).toBe(false);
    });

    it('lists the devices of the user, and asks again on one that was revoked', async () => {
      const device = new Browser(host.url);
      await device.login(email, password);
      expect((await device.trustInLogin(code)).code).toBe('OK');
      const [listed, ...others] = await device.devices();
      expect(listed).toMatchObject({ id: expect.any(String), current: isBrowser });
      expect(others).toEqual([]);
      expect(await isTrusted(device)).toBe(true);
      expect((await device.revokeDevice(listed!.id)).code).toBe('OK');
      expect(await device.devices()).toEqual([]);
      expect(await isTrusted(device)).toBe(false);
    });
  });
}
