import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAuditService, MfaDeviceEntity, type MfaAuditEntry, type MfaEventType } from 'nestjs-mfa';
import { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { MfaAuditStore } from '../../libs/mfa/src/domain/audit/audit.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { AuditTrail } from '../../libs/mfa/src/events/audit-trail.js';
import { testDatabases } from '../support/databases.js';
import { DeviceClient, deviceEvents, DEVICES, trustedUser } from '../support/device-client.js';
import { dyingAt } from '../support/dying-database.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';

describe.each(testDatabases)('the audit table and trusted devices on %s', (database) => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({ database, options: { ...DEVICES, audit: {} }, override: withQuickHasher });
  });
  afterAll(() => host.close());
  afterEach(() => vi.restoreAllMocks());

  const get = <T>(type: abstract new (...args: never[]) => T): T => host.app.get(type as never, { strict: false });
  const settled = () => get(AuditTrail).settled();
  const newId = () => `audited-${(users += 1)}`;
  const devicesOf = ({ userId }: DeviceClient) => host.dataSource.getRepository(MfaDeviceEntity).countBy({ userId });
  const statesOf = async ({ userId }: DeviceClient, type: MfaEventType): Promise<MfaAuditEntry['state'][]> => {
    await settled();
    const entries = await get(MfaAuditService).list({ userId });
    return entries.filter(({ event }) => event.type === type).map(({ state }) => state);
  };
  /** The row of an event cannot be written before its change. */
  function beBusy() {
    const store = get(MfaAuditStore);
    const add = store.add.bind(store);
    vi.spyOn(store, 'add').mockImplementation(async (row, options) => {
      if (row.state === 'started') throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
      await add(row, options);
    });
  }

  /** A user in the second step of a login, which trusts the device. */
  async function trusting() {
    const user = new DeviceClient(host, newId());
    const { authenticator } = await user.enroll();
    const { mfa_token } = (await user.logIn()).body as { mfa_token: string };
    return { user, trust: () => user.secondStep({ mfa_token, code: authenticator.code(), rememberDevice: true }) };
  }

  /** A copy of the cookie of a browser that signed in twice since. */
  async function stolen() {
    const { user } = await trustedUser(host, newId());
    const thief = new DeviceClient(host, user.userId, user.browser.copy());
    for (let logins = 0; logins < 2; logins += 1) {
      host.clock.advance(90);
      expect(await user.isTrusted()).toBe(true);
    }
    host.clock.advance(90);
    return { user, steal: () => thief.logIn() };
  }

  it.each<['started' | 'done', () => void]>([
    ['started', () => undefined],
    ['done', beBusy],
  ])(
    'S112 S121 delivers the alarm, and keeps its row as %s, where the response to the removal was lost',
    async (state, prepare) => {
      const { user, steal } = await stolen();
      prepare();
      const store = get(MfaDeviceStore);
      const removeWith = store.removeWith.bind(store);
      vi.spyOn(store, 'removeWith').mockImplementationOnce(async (device) => {
        await removeWith(device);
        throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
      });
      expect((await steal()).status).toBe(503);
      expect(await devicesOf(user)).toBe(0);
      expect(deviceEvents(user).filter((type) => type === 'mfa.device.reused')).toHaveLength(1);
      expect(await statesOf(user, 'mfa.device.reused')).toEqual([state]);
    },
  );

  it('S121 has the row of a device that is trusted, whatever statement the process died at', async () => {
    let made = 0;
    for (let at = 0; ; at += 1) {
      const { user, trust } = await trusting();
      await settled();
      const died = await dyingAt(at, async () => {
        await trust();
        await settled();
      });
      const states = await statesOf(user, 'mfa.device.trusted');
      if ((await devicesOf(user)) > 0) {
        made += 1;
        expect(states, `died at statement ${at}`).toHaveLength(1);
      } else expect(states, `died at statement ${at}`).not.toContain('done');
      if (died) continue;
      expect(states).toEqual(['done']);
      expect(made).toBeGreaterThan(1);
      return;
    }
  });

  it('S121 has the row of a reused device that ended, whatever statement the process died at', async () => {
    let ended = 0;
    for (let at = 0; ; at += 1) {
      const { user, steal } = await stolen();
      await settled();
      const died = await dyingAt(at, async () => {
        await steal();
        await settled();
      });
      const states = await statesOf(user, 'mfa.device.reused');
      if ((await devicesOf(user)) === 0) {
        ended += 1;
        expect(states, `died at statement ${at}`).toHaveLength(1);
      } else expect(states, `died at statement ${at}`).not.toContain('done');
      if (died) continue;
      expect(states).toEqual(['done']);
      expect(ended).toBeGreaterThan(1);
      return;
    }
  });

  it('S121 trusts no device where its row cannot be written, and the login goes on', async () => {
    const { user, trust } = await trusting();
    beBusy();
    expect((await trust()).status).toBe(200);
    expect(await devicesOf(user)).toBe(0);
    expect(await user.isTrusted()).toBe(false);
    expect(await statesOf(user, 'mfa.device.trusted')).toEqual([]);
    expect(deviceEvents(user)).toEqual([]);
  });

  it('S121 S112 ends a reused device also where its row cannot be written, and writes it afterwards', async () => {
    const { user, steal } = await stolen();
    beBusy();
    expect((await steal()).body).toMatchObject({ mfaRequired: true });
    expect(await devicesOf(user)).toBe(0);
    expect(await statesOf(user, 'mfa.device.reused')).toEqual(['done']);
    expect(deviceEvents(user).filter((type) => type === 'mfa.device.reused')).toHaveLength(1);
  });

  it('S121 writes one row of a reused device whose row was given up and is written nevertheless', async () => {
    const { user, steal } = await stolen();
    const store = get(MfaAuditStore);
    const add = store.add.bind(store);
    vi.spyOn(store, 'add').mockImplementation(async (row, options) => {
      await add(row, options);
      if (row.state === 'started') throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    });
    expect((await steal()).body).toMatchObject({ mfaRequired: true });
    expect(await statesOf(user, 'mfa.device.reused')).toEqual(['done']);
  });

  it('S121 delivers no trusted device of a login that gets no session, and its row stays started', async () => {
    const { user, trust } = await trusting();
    host.state.blocked.add(user.userId);
    expect((await trust()).status).toBe(401);
    expect(await devicesOf(user)).toBe(0);
    expect(deviceEvents(user)).toEqual([]);
    expect(await statesOf(user, 'mfa.device.trusted')).toEqual(['started']);
  });
});
