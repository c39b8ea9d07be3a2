import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Response } from 'supertest';
import { MfaAdminService, MfaCleanupService, MfaDeviceEntity } from 'nestjs-mfa';
import { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { DeviceClient, deviceEvents, DEVICES, trustedUser } from '../support/device-client.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST } from '../support/reset.js';

type Method = keyof MfaDeviceStore;
type Call = (...args: unknown[]) => Promise<unknown>;

const busy = () => new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
/** How a method of the store fails, and the status of a login that needs its result. `null` = it goes on without. */
const MODES = {
  throws: { status: 500, fails: () => Promise.reject(new Error('injected fault')) },
  'throws at once': {
    status: 500,
    fails: () => {
      throw new Error('injected fault');
    },
  },
  'is busy': { status: 503, fails: () => Promise.reject(busy()) },
  'hangs until a deadline': { status: 503, fails: () => sleep(20).then(() => Promise.reject(busy())) },
  'writes, and is cut off': {
    status: 503,
    fails: (real: Call, args: unknown[]) => real(...args).then(() => Promise.reject(busy())),
  },
  'returns undefined': { status: null, fails: () => Promise.resolve(undefined) },
} satisfies Record<string, { status: number | null; fails: (real: Call, args: unknown[]) => Promise<unknown> }>;
type Mode = keyof typeof MODES;
const ALL = Object.keys(MODES) as Mode[];

describe('a fault of the storage of trusted devices', () => {
  let host: HostApp;
  let users = 0;
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  const newUser = () => trustedUser(host, `faulty-${(users += 1)}`);
  const copyOf = ({ userId, browser }: DeviceClient) => new DeviceClient(host, userId, browser.copy());
  const rowsOf = ({ userId }: DeviceClient) => host.dataSource.getRepository(MfaDeviceEntity).countBy({ userId });
  const get = <T>(type: abstract new (...args: never[]) => T): T => host.app.get(type as never, { strict: false });

  /** Lets a method of the store fail until `vi.restoreAllMocks`. */
  function fail(method: Method, mode: Mode) {
    const store = get(MfaDeviceStore) as unknown as Record<Method, Call>;
    const real = store[method].bind(store);
    return vi.spyOn(store, method).mockImplementation((...args) => MODES[mode].fails(real, args));
  }
  /** Whatever happened: nobody is locked out, and a browser can be trusted again. */
  async function expectWorking({ userId }: DeviceClient, code: string) {
    const browser = new DeviceClient(host, userId);
    expect((await browser.trust(code)).status).toBe(200);
    expect(await browser.isTrusted()).toBe(true);
    expect(unhandled).toEqual([]);
  }

  beforeAll(async () => {
    process.on('unhandledRejection', note);
    host = await startHostApp({ options: DEVICES, override: withQuickHasher });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await host.close();
  });

  /** Logins that call a method of the store, and whether the next one is still trusted if nothing was written. */
  const LOGINS: Record<
    string,
    { method: Method; prepare: (user: DeviceClient) => Promise<DeviceClient>; stays: boolean }
  > = {
    'the current secret': { method: 'rotate', prepare: async (user) => user, stays: true },
    'the previous secret': {
      method: 'noteUse',
      prepare: async (user) => {
        const tab = copyOf(user);
        expect(await user.isTrusted()).toBe(true);
        return tab;
      },
      stays: true,
    },
    'a secret that another tab rotated meanwhile': {
      method: 'find',
      prepare: async (user) => {
        vi.spyOn(get(MfaDeviceStore), 'rotate').mockResolvedValueOnce(false);
        return user;
      },
      stays: true,
    },
    'the previous secret too late': {
      method: 'removeWith',
      prepare: async (user) => {
        const tab = copyOf(user);
        expect(await user.isTrusted()).toBe(true);
        host.clock.advance(61);
        return tab;
      },
      stays: false,
    },
    'an old secret': {
      method: 'removeWith',
      prepare: async (user) => {
        const tab = copyOf(user);
        for (let n = 0; n < 2; n += 1) expect(await user.isTrusted()).toBe(true);
        return tab;
      },
      stays: false,
    },
  };
  const cases = Object.keys(LOGINS).flatMap((by) => ALL.map((mode) => [LOGINS[by]!.method, mode, by] as const));

  it.each(cases)(
    'S30 S112 when %s %s, a login by %s is not trusted without its write, and an alarm is not lost',
    async (method, mode, by) => {
      const { user, authenticator } = await newUser();
      const { prepare, stays } = LOGINS[by]!;
      const client = await prepare(user);
      const opened = host.state.openedLogins.length;
      const fault = fail(method, mode);
      const login = await client.logIn();
      expect(fault).toHaveBeenCalled();
      vi.restoreAllMocks();
      const { status } = MODES[mode];
      expect(login.status).toBe(status ?? 201);
      expect(login.body).not.toHaveProperty('accessToken');
      expect(host.state.openedLogins).toHaveLength(opened);
      if (status === 503) expect(login.body.code).toBe('MFA_BUSY');
      // The alarm is not lost: the device may have ended.
      expect(deviceEvents(user).includes('mfa.device.reused')).toBe(by === 'an old secret' && status !== null);

      // The same cookie again.
      const { cookies } = client.browser;
      const kept = cookies.size > 0;
      expect(await client.isTrusted()).toBe(stays && kept);
      if (stays && kept) expect(await client.isTrusted()).toBe(true);
      if (!stays) expect(await rowsOf(user)).toBe(0);
      await expectWorking(user, authenticator.code());
    },
  );

  it.each(ALL)('S30 when noteUse %s, a login of an app is not trusted without its write', async (mode) => {
    const { user, authenticator } = await newUser();
    await user.trust(authenticator.code(), 'token');
    // The browser is trusted, so that its login has no second step.
    const app = new DeviceClient(host, user.userId);
    await app.trust(authenticator.code(1), 'token');
    const { deviceToken } = host.state.completedLogins.at(-1)!;
    expect(deviceToken).toEqual(expect.any(String));
    const fault = fail('noteUse', mode);
    const login = await app.logIn({ deviceToken });
    expect(fault).toHaveBeenCalled();
    vi.restoreAllMocks();
    expect(login.status).toBe(MODES[mode].status ?? 201);
    expect(login.body).not.toHaveProperty('accessToken');
    expect((await app.logIn({ deviceToken })).body).toHaveProperty('accessToken');
  });

  const TRUSTING = (['add', 'trim'] as const).flatMap((method) =>
    ALL.flatMap((mode) => ([true, 'token'] as const).map((remember) => [method, mode, remember] as const)),
  );

  it.each(TRUSTING)(
    'when %s %s, a login after a spent proof goes on: rememberDevice %j',
    async (method, mode, remember) => {
      const { user, authenticator } = await newUser();
      const client = new DeviceClient(host, user.userId);
      const fault = fail(method, mode);
      const verified = await client.trust(authenticator.code(), remember);
      expect(fault).toHaveBeenCalledOnce();
      vi.restoreAllMocks();
      expect([verified.status, verified.body]).toEqual([200, { accessToken: expect.any(String) as string }]);
      const { deviceToken } = host.state.completedLogins.at(-1)!;
      const isGiven = remember === true ? client.browser.cookies.size > 0 : deviceToken !== undefined;
      const isLeftOut = method === 'add' && mode !== 'returns undefined';
      expect(isGiven).toBe(!isLeftOut);
      const login = await client.logIn({ deviceToken });
      expect([login.status, login.body.mfaRequired === true]).toEqual([201, method === 'add']);
      // The device that it would have replaced, or none, stays as it was.
      expect(await user.isTrusted()).toBe(true);
      host.clock.advance(30);
      await expectWorking(user, authenticator.code());
    },
  );

  it.each(ALL)(
    'S71 when remove %s, the refusal of the host stays the response, and nobody has the device',
    async (mode) => {
      const { user, authenticator } = await newUser();
      const client = new DeviceClient(host, user.userId);
      host.state.blocked.add(user.userId);
      const fault = fail('remove', mode);
      const verified = await client.trust(authenticator.code());
      expect(fault).toHaveBeenCalledOnce();
      host.state.blocked.delete(user.userId);
      expect([verified.status, client.browser.cookies.size]).toEqual([401, 0]);
      expect(deviceEvents(user)).toEqual(['mfa.device.trusted']);
      vi.restoreAllMocks();
      host.clock.advance(30);
      await expectWorking(user, authenticator.code());
    },
  );

  const CALLS: [Method, (user: DeviceClient, id: string) => Promise<Response | { status: number }>][] = [
    ['list', (user) => user.ask('get', '/mfa/devices')],
    ['list', (user, id) => user.ask('post', `/mfa/devices/${id}/revoke`)],
    ['remove', (user, id) => user.ask('post', `/mfa/devices/${id}/revoke`)],
    ['removeAll', ({ userId }) => asResponse(() => get(MfaAdminService).revokeDevices(userId, BY_TEST))],
    ['removeAll', ({ userId }) => asResponse(() => get(MfaAdminService).purgeUser(userId, BY_TEST))],
    ['purge', () => asResponse(() => get(MfaCleanupService).purge())],
  ];
  const administration = CALLS.flatMap(([method, call]) =>
    (['throws', 'is busy', 'hangs until a deadline'] as const).map((mode) => [method, mode, call] as const),
  );

  it.each(administration)(
    'when %s %s, a list or a revocation fails, and works again afterwards',
    async (method, mode, call) => {
      const { user } = await newUser();
      const [{ id } = { id: '' }] = (await user.ask('get', '/mfa/devices')).body.devices as { id: string }[];
      const fault = fail(method, mode);
      const { status } = await call(user, id);
      expect(fault).toHaveBeenCalled();
      vi.restoreAllMocks();
      expect(status).toBeGreaterThanOrEqual(500);
      expect(deviceEvents(user)).not.toContain('mfa.device.revoked');
      expect((await call(user, id)).status).toBeLessThan(300);
      expect(unhandled).toEqual([]);
    },
  );

  /** The outcome of a service as an HTTP response has it. */
  async function asResponse(work: () => Promise<unknown>): Promise<{ status: number }> {
    try {
      await work();
      return { status: 200 };
    } catch (error) {
      return { status: (error as { status?: number }).status ?? 500 };
    }
  }
});
