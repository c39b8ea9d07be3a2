import { type ExecutionContext, Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';
import {
  MfaAdminService,
  MfaAuditEntity,
  MfaChallengeService,
  MfaDeviceEntity,
  type MfaLogin,
  MfaVerificationService,
} from 'nestjs-mfa';
import { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { Client } from '../support/client.js';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { DeviceClient, DEVICES } from '../support/device-client.js';
import { PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';

const OPTIONS = { ...DEVICES, audit: {} };
const OWNER = 'margaret';

/** Runs before the host opens the session of a login. */
let beforeSession: (() => Promise<void>) | null = null;
@Injectable()
class InterruptedHost extends TestHost {
  override async completeLogin(login: MfaLogin, context: ExecutionContext) {
    await beforeSession?.();
    return super.completeLogin(login, context);
  }
}

describe.each(testDatabases)('what a purge leaves on %s', (database) => {
  const hosts: HostApp[] = [];
  let on: TestDatabase;
  afterEach(async () => {
    beforeSession = null;
    for (const host of hosts.splice(0)) await host.close();
    await on.drop();
  });

  /** Servers of one application, on one database. */
  async function servers(count: number): Promise<HostApp[]> {
    on = await createDatabase(database);
    for (let index = 0; index < count; index += 1) {
      hosts.push(await startHostApp({ database, on, options: OPTIONS, host: InterruptedHost }));
    }
    return hosts;
  }
  const purge = (host: HostApp) => host.app.get(MfaAdminService, { strict: false }).purgeUser(OWNER, BY_TEST);
  const eventsOf = (host: HostApp) => host.state.events.filter(({ userId }) => userId === OWNER);
  const typesOf = (host: HostApp) => eventsOf(host).map(({ type }) => type);
  /** The types of the audit rows that hold the user id. */
  const named = async (host: HostApp) =>
    (await host.dataSource.getRepository(MfaAuditEntity).find())
      .filter((row) => JSON.stringify(row).includes(OWNER))
      .map(({ state, event }) => `${state} ${(JSON.parse(event) as { type: string }).type}`);

  it('S123 has the user id in no audit row when another server counts refusals later', async () => {
    const [purging, counting] = (await servers(2)) as [HostApp, HostApp];
    const user = new DeviceClient(counting, OWNER);
    await user.enroll();
    const token = await user.login();
    for (let times = 0; times < 25; times += 1) await user.verify(token, 'malformed!');
    await purge(purging);
    expect(await named(purging)).toEqual([]);
    await counting.close();
    expect(eventsOf(counting).at(-1)).toMatchObject({ type: 'mfa.verification.failed', count: 5 });
    expect(await named(purging)).toEqual([]);
  });

  it('S71 S123 has the user id in no audit row after a login that was under way', async () => {
    const [host, other] = (await servers(2)) as [HostApp, HostApp];
    const user = new DeviceClient(host, OWNER);
    const { authenticator } = await user.enroll();
    beforeSession = () => purge(other);
    expect((await user.trust(authenticator.code())).status).toBe(401);
    await host.close();
    expect(typesOf(host)).toContain('mfa.login.superseded');
    expect(await other.dataSource.getRepository(MfaDeviceEntity).find()).toEqual([]);
    expect(await named(other)).toEqual([]);
  });

  it('S123 does not include a device that `verify` stored meanwhile', async () => {
    const [host] = (await servers(1)) as [HostApp];
    const user = new DeviceClient(host, OWNER);
    const { authenticator } = await user.enroll();
    const login = { accountName: 'm@example.com', credentialVersion: 'v1' };
    const issued = await host.app.get(MfaChallengeService, { strict: false }).issue(OWNER, login);
    const store = host.app.get(MfaDeviceStore, { strict: false });
    const add = store.add.bind(store);
    let isStored = false;
    store.add = async (device) => {
      await purge(host);
      await add(device);
      isStored = true;
    };
    const proof = { code: authenticator.code(), rememberDevice: 'token' } as const;
    const { mfa_token } = issued as { mfa_token: string };
    await host.app.get(MfaVerificationService, { strict: false }).verify(mfa_token, proof);
    expect(isStored).toBe(true);
    expect(await host.dataSource.getRepository(MfaDeviceEntity).find()).toEqual([]);
  });

  it('S121 does not include an event of a factor that the user never had, after setups that were not confirmed', async () => {
    const [host] = (await servers(1)) as [HostApp];
    const setUp = () => new Client(host, OWNER).post('/mfa/totp/setup', { password: PASSWORD });
    await setUp().expect(200);
    const admin = host.app.get(MfaAdminService, { strict: false });
    await admin.passwordChanged(OWNER, { actor: { userId: OWNER } });
    await Promise.all(Array.from({ length: 6 }, async () => setUp()));
    await purge(host);
    expect(typesOf(host)).toContain('mfa.setup.started');
    expect(typesOf(host)).not.toContain('mfa.disabled');
    expect(host.state.revocations).not.toContain(`mfa.disabled ${OWNER}`);
  });

  it('S121 S123 includes the event of the factor that the user had', async () => {
    const [host] = (await servers(1)) as [HostApp];
    await new DeviceClient(host, OWNER).enroll();
    await purge(host);
    expect(typesOf(host).filter((type) => type === 'mfa.disabled')).toHaveLength(1);
  });
});
