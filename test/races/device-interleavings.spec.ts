import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaAdminService, MfaDeviceEntity, MfaDeviceService } from 'nestjs-mfa';
import { BetweenStatements } from '../support/between-statements.js';
import { testDatabases } from '../support/databases.js';
import { DeviceClient, deviceEvents, DEVICES, trustedUser } from '../support/device-client.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST } from '../support/reset.js';
import { CHANGES } from '../support/slow-host.js';

type Trusted = Awaited<ReturnType<typeof trustedUser>>;

describe.each(testDatabases)('interleavings of trusted devices on %s', (database) => {
  let host: HostApp;
  let between: BetweenStatements;
  let users = 0;
  const newUser = () => trustedUser(host, `trusting-${(users += 1)}`);
  const service = <T>(type: abstract new (...args: never[]) => T): T => host.app.get(type as never, { strict: false });
  const rowsOf = ({ userId }: DeviceClient) => host.dataSource.getRepository(MfaDeviceEntity).countBy({ userId });
  const tabOf = ({ userId, browser }: DeviceClient) => new DeviceClient(host, userId, browser.copy());
  /** Whether the login skipped the second step because the device is trusted. */
  const wasTrusted = ({ userId }: DeviceClient, { body }: Response) =>
    body.mfaRequired !== true && host.state.openedLogins.findLast((login) => login.userId === userId)!.mfaAt !== null;

  beforeAll(async () => {
    host = await startHostApp({ database, options: DEVICES, override: withQuickHasher });
    between = new BetweenStatements(host);
  });
  afterAll(() => host.close());

  const ENDS: Record<string, (its: Trusted) => PromiseLike<unknown>> = {
    ...Object.fromEntries(Object.entries(CHANGES).map(([name, change]) => [name, (its: Trusted) => change(its, host)])),
    revoke: async ({ user }) => {
      const devices = service(MfaDeviceService);
      const [{ id } = { id: '' }] = await devices.list(user.userId);
      await devices.revoke(user.userId, id);
    },
    revokeDevices: ({ user }) => service(MfaAdminService).revokeDevices(user.userId, BY_TEST),
  };
  const SECRETS = ['the current secret', 'the previous secret'] as const;

  /** A tab of the browser that presents its current secret, or the one that another tab has replaced. */
  async function presenting(secret: (typeof SECRETS)[number]) {
    const its = await newUser();
    const tab = tabOf(its.user);
    if (secret === 'the previous secret') expect(await its.user.isTrusted()).toBe(true);
    return { ...its, tab };
  }

  describe.each(SECRETS)('a login by %s', (secret) => {
    it.each(Object.entries(ENDS))(
      'S111 is not trusted wherever %s comes between two of its statements, and raises no alarm',
      async (_, end) => {
        await between.each(async () => {
          const its = await presenting(secret);
          let login: Response;
          return {
            act: async () => (login = await its.tab.logIn()),
            meanwhile: () => end(its),
            after: async () => {
              expect(login.status).toBe(201);
              expect(wasTrusted(its.user, login)).toBe(false);
              for (const client of [its.user, its.tab]) {
                const later = await client.logIn();
                expect([later.status, wasTrusted(client, later)]).toEqual([201, false]);
              }
              expect(deviceEvents(its.user)).not.toContain('mfa.device.reused');
            },
          };
        });
      },
    );

    it('S112 is trusted wherever a login of another tab comes between, and both have one working secret', async () => {
      await between.each(async () => {
        const { user, tab } = await presenting('the current secret');
        if (secret === 'the previous secret') await tabOf(user).logIn();
        let login: Response;
        const other = tabOf(user);
        return {
          act: async () => (login = await tab.logIn()),
          meanwhile: async () => expect(await other.isTrusted()).toBe(true),
          after: async () => {
            expect([login.status, wasTrusted(user, login)]).toEqual([201, true]);
            expect(tab.browser.header).toBe(other.browser.header);
            expect(await tab.isTrusted()).toBe(true);
            expect(deviceEvents(user)).not.toContain('mfa.device.reused');
          },
        };
      });
    });

    it('S112 is trusted wherever another tab rotates the secret away after it was read, without an alarm', async () => {
      await between.each(async (at) => {
        const { user, tab } = await presenting(secret);
        const other = secret === 'the current secret' ? tabOf(user) : user;
        let login: Response;
        return {
          act: async () => (login = await tab.logIn()),
          meanwhile: async () => {
            // Before the login reads the device, its secret would be foreign.
            if (at === 0) return;
            const rotations = secret === 'the current secret' ? 2 : 1;
            for (let n = 0; n < rotations; n += 1) expect(await other.isTrusted()).toBe(true);
          },
          after: async () => {
            expect([login.status, wasTrusted(user, login)]).toEqual([201, true]);
            // The other tab keeps the newest secret.
            if (at > 0) expect(tab.browser.received).toEqual([]);
            expect(deviceEvents(user)).not.toContain('mfa.device.reused');
            if (at > 0) expect(await other.isTrusted()).toBe(true);
          },
        };
      });
    });
  });

  it('S112 a copy that is two uses old is never trusted, wherever the owner logs in between, and is one alarm', async () => {
    await between.each(async () => {
      const { user } = await newUser();
      const thief = tabOf(user);
      for (let n = 0; n < 2; n += 1) expect(await user.isTrusted()).toBe(true);
      let login: Response;
      return {
        act: async () => (login = await thief.logIn()),
        meanwhile: () => user.logIn(),
        after: async () => {
          expect([login.status, login.body.mfaRequired]).toEqual([201, true]);
          expect([await thief.isTrusted(), await user.isTrusted()]).toEqual([false, false]);
          expect(deviceEvents(user).filter((type) => type === 'mfa.device.reused')).toHaveLength(1);
        },
      };
    });
  });

  it.each(Object.entries(ENDS))(
    'S71 S111 wherever %s comes between two statements that trust a device, no device outlives it',
    async (name, end) => {
      const revokes = name.startsWith('revoke');
      const statuses: number[] = [];
      await between.each(async () => {
        const its = await newUser();
        const elsewhere = new DeviceClient(host, its.user.userId);
        const { body } = await elsewhere.logIn();
        const proof = { mfa_token: body.mfa_token as string, code: its.authenticator.code(), rememberDevice: true };
        let verified: Response;
        return {
          act: async () => (verified = await elsewhere.secondStep(proof)),
          meanwhile: () => end(its),
          after: async () => {
            statuses.push(verified.status);
            if (verified.status === 401) expect(elsewhere.browser.cookies.size).toBe(0);
            if (name === 'purgeUser') expect(await rowsOf(its.user)).toBe(0);
            // What the user proved after the revocation may be trusted. The device of before never is.
            const later = await its.user.logIn();
            if (name !== 'revoke') expect(wasTrusted(its.user, later)).toBe(false);
            const again = await elsewhere.logIn();
            if (!revokes) expect(wasTrusted(its.user, again)).toBe(false);
            expect(deviceEvents(its.user)).not.toContain('mfa.device.reused');
          },
        };
      });
      // The last statement removes other devices. The login is complete before it.
      expect(statuses).toEqual(statuses.map((_, at) => (revokes || at === statuses.length - 1 ? 200 : 401)));
    },
  );
});
