import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Response } from 'supertest';
import { MfaDeviceService } from 'nestjs-mfa';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { DeviceClient, deviceEvents, trustedUser } from '../support/device-client.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { inBothOrders } from '../support/race-outcomes.js';

const MAX = 3;
const OPTIONS = { trustedDevices: { max: MAX }, backupCodes: { count: 4 } };

describe.each(testDatabases)('trusted browsers of two instances on one database, %s', (kind) => {
  let database: TestDatabase;
  const hosts: HostApp[] = [];
  let users = 0;
  async function newUser() {
    const its = await trustedUser(hosts[0]!, `browsing-${(users += 1)}`);
    hosts[1]!.clock.set(hosts[0]!.clock.nowMs());
    return its;
  }
  const devices = () => hosts[0]!.app.get(MfaDeviceService, { strict: false });
  /** The same user at one of the instances, in turns, from a copy of the browser. */
  const copyOf = ({ userId, browser }: DeviceClient, turn = 0) =>
    new DeviceClient(hosts[turn % 2]!, userId, browser.copy());
  const advance = (seconds: number) => hosts.forEach(({ clock }) => clock.advance(seconds));
  const alarmsOf = ({ userId }: DeviceClient) =>
    hosts
      .flatMap((host) => deviceEvents(new DeviceClient(host, userId)))
      .filter((each) => each === 'mfa.device.reused');
  const trusted = ({ status, body }: Response) => {
    expect(status).toBe(201);
    return body.mfaRequired !== true;
  };

  beforeAll(async () => {
    database = await createDatabase(kind);
    const setup = { on: database, options: OPTIONS, override: withQuickHasher };
    for (let i = 0; i < 2; i += 1) hosts.push(await startHostApp(setup));
  });
  afterAll(async () => {
    for (const host of hosts) await host.close();
    await database.drop();
  });

  it('S112 trust 20 parallel logins of one browser at both, send all of them one next secret, and raise no alarm', async () => {
    const { user } = await newUser();
    const tabs = Array.from({ length: 20 }, (_, turn) => copyOf(user, turn));
    expect(await Promise.all(tabs.map((tab) => tab.isTrusted()))).toEqual(tabs.map(() => true));
    expect(new Set(tabs.map(({ browser }) => browser.header)).size).toBe(1);
    expect(tabs[0]!.browser.header).not.toBe(user.browser.header);
    for (const tab of tabs.slice(0, 2)) expect(await tab.isTrusted()).toBe(true);
    expect(alarmsOf(user)).toEqual([]);
  });

  it.each([1, 2])(
    'S112 trust 20 parallel logins while another tab uses the new secret: %d rotations after their reads',
    async (rotations) => {
      const { user } = await newUser();
      const tabs = Array.from({ length: 20 }, (_, turn) => copyOf(user, turn));
      const other = copyOf(user, 1);
      let read = 0;
      let release = () => undefined as void;
      const allRead = new Promise<void>((resolve) => void (release = resolve));
      for (const { app } of hosts) {
        const accounts: MfaAccountStore = app.get(MfaAccountStore as never, { strict: false });
        const load = accounts.loadForLogin.bind(accounts);
        vi.spyOn(accounts, 'loadForLogin').mockImplementation(async (...args) => {
          const found = await load(...args);
          read += 1;
          if (read <= tabs.length) {
            if (read === tabs.length) release();
            await allRead.then(() => rotated);
          }
          return found;
        });
      }
      const rotated = allRead.then(async () => {
        for (let n = 0; n < rotations; n += 1) expect(await other.isTrusted()).toBe(true);
      });
      try {
        expect(await Promise.all(tabs.map((tab) => tab.isTrusted()))).toEqual(tabs.map(() => true));
      } finally {
        vi.restoreAllMocks();
      }
      expect(await other.isTrusted()).toBe(true);
      expect(alarmsOf(user)).toEqual([]);
    },
  );

  it('S112 rotate one secret in turns, also where the clock of one is 30 s behind the other', async () => {
    const { user } = await newUser();
    hosts[0]!.clock.advance(30);
    const { browser, userId } = user;
    try {
      for (let turn = 0; turn < 6; turn += 1) {
        const late = copyOf(user, turn + 1);
        expect(await new DeviceClient(hosts[turn % 2]!, userId, browser).isTrusted()).toBe(true);
        // A tab that still has the secret of before comes to the other instance.
        expect(await late.isTrusted()).toBe(true);
        expect(late.browser.header).toBe(browser.header);
      }
    } finally {
      hosts[1]!.clock.advance(30);
    }
    expect(alarmsOf(user)).toEqual([]);
  });

  it('S111 trust no login at one that begins after the revocation at the other', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { user } = await newUser();
      const [{ id } = { id: '' }] = await devices().list(user.userId);
      let isRevoked = false;
      const revoke = async () => {
        await devices().revoke(user.userId, id);
        isRevoked = true;
      };
      const logIn = async (turn: number) => {
        const tab = copyOf(user, turn);
        const began = isRevoked;
        return { began, trusted: trusted(await tab.logIn()) };
      };
      const logins = Array.from({ length: 6 }, (_, turn) => () => logIn(turn));
      const revoked = revoke();
      const outcomes = await inBothOrders(round, logins);
      await revoked;
      outcomes.push(await logIn(0), await logIn(1));
      expect(outcomes.filter(({ began, trusted: accepted }) => began && accepted)).toEqual([]);
      expect(await devices().list(user.userId)).toEqual([]);
      expect(alarmsOf(user)).toEqual([]);
    }
  });

  it('leave at most max devices after parallel logins that trust one each, and those in the list work', async () => {
    const { user, authenticator } = await newUser();
    const second = await user.enrollAnother(authenticator.code());
    const third = await user.enrollAnother(second.authenticator.code());
    hosts[1]!.clock.set(hosts[0]!.clock.nowMs());
    advance(60);
    const apps = [authenticator, second.authenticator, third.authenticator];
    // More than five attempts in flight would lock the user: each counts as a failure until it is settled (S54).
    const codes = apps.flatMap((app) => [app.code(), app.code(1)]).slice(0, 5);
    const clients = codes.map((_, turn) => new DeviceClient(hosts[turn % 2]!, user.userId));
    const tokens = await Promise.all(clients.map(async (client) => (await client.logIn()).body.mfa_token as string));
    const send = async (client: DeviceClient, turn: number) =>
      client.secondStep({ mfa_token: tokens[turn], code: codes[turn], rememberDevice: true });
    const verified = await Promise.all(clients.map(send));
    expect(verified.map(({ status }) => status)).toEqual(codes.map(() => 200));
    const listed = await devices().list(user.userId);
    expect(listed.length).toBeGreaterThanOrEqual(1);
    expect(listed.length).toBeLessThanOrEqual(MAX);
    const logins = [];
    for (const client of clients) logins.push(await client.isTrusted());
    expect(logins.filter(Boolean)).toHaveLength(listed.length);
  });

  it('S112 trust neither a thief nor the owner once a copy of the cookie fell behind, in either order', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { user } = await newUser();
      const thief = copyOf(user, 1);
      // Within a minute the two cannot be told apart.
      const first = await inBothOrders(round, [() => user.logIn(), () => thief.logIn()]);
      expect(first.map(trusted)).toEqual([true, true]);
      expect(thief.browser.header).toBe(user.browser.header);
      advance(61);
      for (let n = 0; n < 2; n += 1) expect(await user.isTrusted()).toBe(true);
      const second = await inBothOrders(round, [() => user.logIn(), () => thief.logIn()]);
      expect(trusted(second[1]!)).toBe(false);
      expect([await user.isTrusted(), await thief.isTrusted()]).toEqual([false, false]);
      expect(alarmsOf(user)).toHaveLength(1);
    }
  });

  it.each([0, 59, 60])(
    'S112 trust a browser that lost a response and tries again after %d seconds',
    async (seconds) => {
      const { user } = await newUser();
      const lost = copyOf(user);
      expect(await lost.isTrusted()).toBe(true);
      advance(seconds);
      expect(await user.isTrusted()).toBe(true);
      expect(user.browser.header).toBe(lost.browser.header);
      expect(await user.isTrusted()).toBe(true);
      expect(alarmsOf(user)).toEqual([]);
    },
  );

  it('S112 ask a browser that lost a response and comes a minute later, without an alarm, and trust it again', async () => {
    const { user, authenticator } = await newUser();
    expect(await copyOf(user).isTrusted()).toBe(true);
    advance(61);
    expect(await user.isTrusted()).toBe(false);
    expect(user.browser.received).toEqual([]);
    expect((await user.trust(authenticator.code())).status).toBe(200);
    expect(await user.isTrusted()).toBe(true);
    expect(await devices().list(user.userId)).toHaveLength(1);
    expect(alarmsOf(user)).toEqual([]);
  });

  it('S112 ask a browser whose response to the second step was lost, and keep its device apart from the next one', async () => {
    const { user, authenticator } = await newUser();
    const lost = new DeviceClient(hosts[1]!, user.userId);
    expect((await lost.trust(authenticator.code())).status).toBe(200);
    const again = new DeviceClient(hosts[1]!, user.userId);
    expect(await again.isTrusted()).toBe(false);
    expect((await again.trust(authenticator.code(1))).status).toBe(200);
    expect([await again.isTrusted(), await user.isTrusted()]).toEqual([true, true]);
    expect(await devices().list(user.userId)).toHaveLength(3);
    expect(alarmsOf(user)).toEqual([]);
  });
});
