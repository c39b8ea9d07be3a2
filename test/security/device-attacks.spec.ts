import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  MfaAdminService,
  MfaChallengeService,
  MfaClock,
  MfaDeviceEntity,
  MfaDeviceService,
  MfaVerificationService,
} from 'nestjs-mfa';
import { FixedClock, VirtualAuthenticator } from 'nestjs-mfa/testing';
import { deviceCookieSuffix } from '../../libs/mfa/src/domain/devices/device-secret.js';
import { KeyRing } from '../../libs/mfa/src/domain/secrets/key-ring.js';
import { createDatabase, testDatabases } from '../support/databases.js';
import { DeviceClient, DEVICES } from '../support/device-client.js';
import { ADAPTERS, PASSWORD, providerNamed, startHostApp, TEST_KEY, type HostApp } from '../support/host-app.js';
import { PolicyHost } from '../support/policy-host.js';
import { BY_TEST } from '../support/reset.js';

const NEW_KEY = { id: 'k2', secret: 'hT3mWq9ZcV5nRkXe8LsPjA1yUdG6fBoH2iCt7wQ4rNs=' };
/** A response whose headers were sent. */
const SENT = { headersSent: true, getHeader: () => undefined, setHeader: () => undefined };
const REFUSING = {
  getHeader: () => undefined,
  setHeader: () => {
    throw new Error('ERR_HTTP_HEADERS_SENT');
  },
};

const eventsOf = ({ host, userId }: DeviceClient) =>
  host.state.events
    .filter((each) => each.userId === userId && each.type.startsWith('mfa.device'))
    .map(({ type }) => type);
const rowsOf = ({ host, userId }: DeviceClient) => host.dataSource.getRepository(MfaDeviceEntity).findBy({ userId });

/** A user whose browser is trusted. */
async function trusting(host: HostApp, userId: string) {
  const user = new DeviceClient(host, userId);
  const { authenticator } = await user.enroll();
  expect((await user.trust(authenticator.code())).status).toBe(200);
  host.clock.advance(30);
  return { user, authenticator };
}

describe.each(testDatabases)('attacks on trusted devices on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => trusting(host, `user-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ database, host: PolicyHost, namesAccounts: true, options: DEVICES });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  it('S112 a previous secret that another tab rotates away between read and write raises no alarm', async () => {
    const { user } = await newUser();
    const tab = new DeviceClient(host, user.userId, user.browser.copy());
    expect(await user.isTrusted()).toBe(true);
    await before(
      host,
      'noteUse',
      () => user.isTrusted(),
      async () => expect(await tab.isTrusted()).toBe(true),
    );
    expect(eventsOf(user)).not.toContain('mfa.device.reused');
  });

  it.each(['rotate', 'noteUse'] as const)('S111 a change between the read and %s denies the device', async (method) => {
    const admin = host.app.get(MfaAdminService, { strict: false });
    for (const change of ['revokeDevices', 'invalidate', 'passwordChanged', 'purgeUser'] as const) {
      const { user } = await newUser();
      const tab = new DeviceClient(host, user.userId, user.browser.copy());
      if (method === 'noteUse') await user.isTrusted();
      await before(
        host,
        method,
        () => admin[change](user.userId, BY_TEST),
        async () => expect([change, await tab.isTrusted()]).toEqual([change, false]),
      );
    }
  });

  it('a login that the host refuses ends no other device', async () => {
    const few = await startHostApp({ database, options: { ...DEVICES, trustedDevices: { max: 1 } } });
    try {
      const { user, authenticator } = await trusting(few, 'ann');
      few.state.blocked.add('ann');
      expect((await new DeviceClient(few, 'ann').trust(authenticator.code())).status).toBe(401);
      few.state.blocked.delete('ann');
      expect(await user.isTrusted()).toBe(true);
    } finally {
      await few.close();
    }
  });

  it('S113 a login without a usable response is neither trusted nor an error, and uses up no secret', async () => {
    const { user } = await newUser();
    const [row] = await rowsOf(user);
    const given = { accountName: 'x', credentialVersion: 'v1' };
    const request = { headers: { cookie: user.browser.header } };
    const challenges = host.app.get(MfaChallengeService, { strict: false });
    for (const device of [
      null,
      { request },
      { request, response: null },
      { request, response: SENT },
      { response: SENT },
    ]) {
      expect((await challenges.issue(user.userId, { ...given, device: device as never })).mfaRequired).toBe(true);
    }
    expect(await rowsOf(user)).toEqual([row]);
    const unknown = { headers: { cookie: user.browser.header.replace(/=[\w-]{22}\./, `=${'A'.repeat(22)}.`) } };
    const issued = await challenges.issue(user.userId, { ...given, device: { request: unknown, response: REFUSING } });
    expect(issued.mfaRequired).toBe(true);
  });

  it('trusts no device whose cookie cannot be set, and announces none', async () => {
    const user = new DeviceClient(host, `user-${(users += 1)}`);
    const { authenticator } = await user.enroll();
    const { body } = await user.logIn();
    const http = { getRequest: () => ({ headers: {} }), getResponse: () => REFUSING };
    const context = { getType: () => 'http', switchToHttp: () => http };
    const proof = { code: authenticator.code(), rememberDevice: true };
    const verification = host.app.get(MfaVerificationService, { strict: false });
    const { mfaRequired } = await verification.verify(body.mfa_token as string, proof, context as never);
    expect(mfaRequired).toBe(false);
    expect([await rowsOf(user), eventsOf(user)]).toEqual([[], []]);
  });

  it('takes a deviceToken that is none as left out', async () => {
    const { user } = await newUser();
    for (const deviceToken of ['', 'x', 'a.b']) {
      expect((await user.logIn({ deviceToken })).body.mfaRequired).toBeUndefined();
    }
  });
});

describe.each(testDatabases)('the keys of trusted devices on %s', (database) => {
  it('S110 finds the cookie of an older key, also beside a worthless one, and a removed key ends its devices', async () => {
    const on = await createDatabase(database);
    const withKeys = (...keys: (typeof NEW_KEY)[]) => startHostApp({ on, options: { ...DEVICES, keys } });
    try {
      const first = await withKeys(TEST_KEY);
      const { user } = await trusting(first, 'ann');
      await first.close();
      const both = await withKeys(NEW_KEY, TEST_KEY);
      const name = `__Host-mfa-device-${deviceCookieSuffix('ann', new KeyRing([NEW_KEY]).newest)}`;
      user.browser.cookies.set(name, `${'A'.repeat(22)}.${'B'.repeat(43)}`);
      const again = new DeviceClient(both, 'ann', user.browser);
      expect([await again.isTrusted(), await again.isTrusted(), again.browser.cookies.size]).toEqual([true, true, 1]);
      await both.close();
      const without = await withKeys(NEW_KEY);
      expect(await without.app.get(MfaDeviceService, { strict: false }).list('ann')).toEqual([]);
      // The secret of the authenticator is sealed under the removed key, so the login needs a second factor that fails.
      expect(await new DeviceClient(without, 'ann', user.browser).isTrusted()).toBe(false);
      await without.close();
    } finally {
      await on.drop();
    }
  });
});

describe('one browser', () => {
  it('S112 raises no alarm for 20 logins over six connections that share one cookie jar, and stays trusted', async () => {
    const realTime = { nowMs: () => Date.now() };
    const host = await startHostApp({
      ...{ host: PolicyHost, namesAccounts: true, options: DEVICES },
      override: (builder) => builder.overrideProvider(MfaClock).useValue(realTime),
    });
    try {
      const user = new DeviceClient(host, 'ann');
      const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const codeIn = (seconds: number) =>
        new VirtualAuthenticator(setup.body.otpauthUri as string, new FixedClock(Date.now() + seconds * 1000)).code();
      await user.post('/mfa/totp/confirm', { code: codeIn(0) }).expect(200);
      expect((await user.trust(codeIn(30))).status).toBe(200);
      PolicyHost.policyOf = (async () => {
        await sleep(Math.random() * 80);
        return null;
      }) as never;
      let left = 20;
      const connection = async () => {
        const trusted: boolean[] = [];
        while (left-- > 0) trusted.push(await user.isTrusted());
        return trusted;
      };
      const trusted = (await Promise.all(Array.from({ length: 6 }, connection))).flat();
      expect(trusted).toEqual(Array.from({ length: 20 }, () => true));
      expect(eventsOf(user)).not.toContain('mfa.device.reused');
      expect(await user.isTrusted()).toBe(true);
    } finally {
      PolicyHost.restore();
      await host.close();
    }
  });

  it.each(ADAPTERS)('keeps its cookie on %s', async (adapter) => {
    const host = await startHostApp({ adapter, options: DEVICES });
    try {
      const { user } = await trusting(host, 'ann');
      for (let uses = 0; uses < 2; uses += 1) {
        expect(await user.isTrusted()).toBe(true);
        expect(user.browser.received).toHaveLength(1);
      }
    } finally {
      await host.close();
    }
  });
});

/** Runs `act` while the first call of that method of the store comes after `change`. */
async function before(
  host: HostApp,
  method: 'rotate' | 'noteUse',
  change: () => Promise<unknown>,
  act: () => Promise<void>,
) {
  const store = providerNamed<Record<typeof method, (...given: unknown[]) => Promise<boolean>>>(host, 'MfaDeviceStore');
  const original = store[method].bind(store);
  store[method] = async (...given) => {
    store[method] = original;
    await change();
    return original(...given);
  };
  try {
    await act();
  } finally {
    store[method] = original;
  }
}
