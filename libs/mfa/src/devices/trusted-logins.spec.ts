import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeResponse, inMemoryDevices } from '../../../../test/support/in-memory-devices.js';
import { KEY } from '../../../../test/support/in-memory-mfa.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import { credentialVersionMac, deviceCookieSuffix, deviceHash } from '../domain/devices/device-secret.js';
import type { MfaPolicy } from '../host/mfa-policy.js';
import { deviceView } from './device-view.js';

type Rooms = Awaited<ReturnType<typeof inMemoryDevices>>;
let mfa: Rooms;
beforeEach(async () => void (mfa = await inMemoryDevices()));

/** Changes the stored row of a device. */
const change = ({ id }: TrustedDevice, changes: Partial<TrustedDevice>) => {
  Object.assign(mfa.state.devices.get(id)!, changes);
};

describe('what a login presents', () => {
  const response = new FakeResponse();
  const exchange = (cookie: string) => ({ request: { headers: { cookie } }, response });

  it('is the cookie of the user, with where the next one is set', async () => {
    const { cookie, token } = await mfa.trust();
    expect(mfa.trustedLogins.presented('ann', { device: exchange(cookie) })).toEqual({
      ...{ userId: 'ann', kind: 'cookie', tokens: [token], lookupHash: deviceHash(token.lookupId) },
      exchange: { cookies: cookie, userAgent: '', response },
      startedAtMs: mfa.clock.nowMs(),
    });
    expect(mfa.trustedLogins.presented('bob', { device: exchange(cookie) })).toBeNull();
  });

  it('is the token of an app before the cookie', async () => {
    const { cookie } = await mfa.trust();
    const { text, token } = await mfa.trust({ kind: 'token' });
    expect(mfa.trustedLogins.presented('ann', { device: exchange(cookie), deviceToken: text })).toMatchObject({
      ...{ userId: 'ann', kind: 'token', tokens: [token], lookupHash: deviceHash(token.lookupId) },
    });
  });

  it.each(['', 'x', 7, {}, []])('is nothing by a token that is %j, and the cookie with one', async (deviceToken) => {
    const { cookie } = await mfa.trust();
    expect(mfa.trustedLogins.presented('ann', { deviceToken })).toBeNull();
    expect(mfa.trustedLogins.presented('ann', { device: exchange(cookie), deviceToken })?.kind).toBe('cookie');
  });

  it('S113 is nothing by a cookie without a response on which the next one is set', async () => {
    const { cookie } = await mfa.trust();
    const request = { headers: { cookie } };
    for (const none of [null, undefined, {}, 'x'])
      expect(mfa.trustedLogins.presented('ann', { device: { request, response: none } })).toBeNull();
    for (const device of [null, undefined]) expect(mfa.trustedLogins.presented('ann', { device })).toBeNull();
    expect(mfa.trustedLogins.presented('ann', { device: exchange(cookie), deviceToken: null })?.kind).toBe('cookie');
  });

  it('is nothing where devices are off', async () => {
    const { cookie, text } = await mfa.trust();
    const off = await inMemoryDevices({ trustedDevices: undefined });
    expect(off.trustedLogins.presented('ann', { device: exchange(cookie), deviceToken: text })).toBeNull();
  });
});

describe('a login from a trusted browser', () => {
  it('S113 has the amr of a second factor, and the time of the real proof', async () => {
    const { cookie, device } = await mfa.trust();
    mfa.clock.advance(3600);
    const { result, cookies } = await mfa.issue(cookie, { amr: ['pwd'], state: { tenant: 7 } });
    expect(result).toEqual({
      mfaRequired: false,
      login: {
        ...{ userId: 'ann', amr: ['pwd', 'mfa'], mfaAt: new Date(device.mfaAtMs), factor: null },
        ...{ backupCodesRemaining: 0, state: { tenant: 7 }, enrollmentDueAt: null },
      },
    });
    expect(cookies).toHaveLength(1);
    expect(mfa.told.at(-1)).toEqual({
      ...{ type: 'mfa.device.used', userId: 'ann', actor: { type: 'user', id: 'ann' } },
      at: new Date(mfa.clock.nowMs()),
      device: { id: device.id, label: 'Firefox', createdAt: new Date(device.createdAtMs) },
    });
  });

  it('S112 receives the next secret at each use, and no longer lifetime', async () => {
    const { cookie, device } = await mfa.trust();
    mfa.clock.advance(10.5);
    const first = await mfa.issue(cookie);
    expect(first.next).not.toBe(cookie);
    expect(first.cookies[0]).toContain(`; Max-Age=${30 * 86_400 - 11}; `);
    const [row] = await mfa.stored();
    expect(row).toMatchObject({ previousHash: device.secretHash, rotatedAtMs: mfa.clock.nowMs() });
    expect(row!.lastUsedAtMs).toBe(mfa.clock.nowMs());
    expect(row!.expiresAtMs).toBe(device.expiresAtMs);
    const second = await mfa.issue(first.next);
    expect(second.isTrusted).toBe(true);
    expect(new Set([cookie, first.next, second.next]).size).toBe(3);
  });

  it('S112 sends the same next secret for the previous one, until exactly 60 s after the rotation', async () => {
    const { cookie } = await mfa.trust();
    const { next } = await mfa.issue(cookie);
    const rotatedAtMs = mfa.clock.nowMs();
    mfa.clock.set(rotatedAtMs + 60_000);
    const again = await mfa.issue(cookie);
    expect([again.isTrusted, again.next]).toEqual([true, next]);
    expect(await mfa.stored()).toMatchObject([{ rotatedAtMs, lastUsedAtMs: rotatedAtMs + 60_000 }]);
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it('S112 ends with the previous secret a millisecond later, without an alarm', async () => {
    const { cookie } = await mfa.trust();
    const { next } = await mfa.issue(cookie);
    mfa.clock.advance(60.001);
    const late = await mfa.issue(cookie);
    expect(late.isTrusted).toBe(false);
    expect(late.cookies).toEqual([]);
    expect(await mfa.stored()).toEqual([]);
    expect((await mfa.issue(next)).isTrusted).toBe(false);
    expect(mfa.deviceEvents()).toEqual(['mfa.device.trusted', 'mfa.device.used']);
  });

  it('S112 ends with any other secret, with an alarm', async () => {
    const { cookie, device } = await mfa.trust();
    const { next } = await mfa.issue(cookie);
    await mfa.issue(next);
    const stolen = await mfa.issue(cookie);
    expect(stolen.isTrusted).toBe(false);
    expect(stolen.cookies).toEqual([]);
    expect(await mfa.stored()).toEqual([]);
    await vi.waitFor(() => expect(mfa.deviceEvents().at(-1)).toBe('mfa.device.reused'));
    const reused = mfa.told.find(({ type }) => type === 'mfa.device.reused');
    expect(reused).toMatchObject({ userId: 'ann', device: { id: device.id, label: 'Firefox' } });
  });

  it('S112 sets no cookie where the device is not stored: another tab may have received a new one', async () => {
    const { cookie, device } = await mfa.trust();
    await mfa.devices.remove('ann', device.id);
    const { isTrusted, cookies } = await mfa.issue(cookie);
    expect([isTrusted, cookies]).toEqual([false, []]);
    expect(mfa.deviceEvents()).toEqual(['mfa.device.trusted']);
  });

  const required: MfaPolicy = { id: 'p', required: true };
  const POLICIES: [string, MfaPolicy, string, boolean][] = [
    ['allows every method', required, 'totp', true],
    ['allows the method of the proof', { ...required, methods: ['totp'] }, 'totp', true],
    ['allows only other methods', { ...required, methods: ['totp'] }, 'passkey', false],
    ['allows devices', { ...required, trustedDevices: true }, 'totp', true],
    ['forbids devices', { ...required, trustedDevices: false }, 'totp', false],
  ];

  it.each(POLICIES)('S113 obeys a policy that %s, which ends nothing', async (_, policy, method, trusted) => {
    const { cookie, device } = await mfa.trust();
    change(device, { method });
    mfa.host.policy = () => policy;
    const first = await mfa.issue(cookie, { accountName: 'ann' });
    expect(first.isTrusted).toBe(trusted);
    if (trusted) return;
    expect(first.cookies).toEqual([]);
    delete mfa.host.policy;
    expect((await mfa.issue(cookie)).isTrusted).toBe(true);
  });

  it('S113 is not trusted by a proof of the method that is the first factor of this login', async () => {
    const { cookie } = await mfa.trust();
    expect((await mfa.issue(cookie, { firstFactor: 'totp' })).isTrusted).toBe(false);
    expect((await mfa.issue(cookie, { firstFactor: 'email' })).isTrusted).toBe(true);
  });

  it.each(['v2', 'v1 ', 'V1', 'null', null])('S111 is not trusted with the credentialVersion %j', async (version) => {
    const { cookie } = await mfa.trust();
    const { isTrusted, cookies } = await mfa.issue(cookie, { credentialVersion: version });
    expect([isTrusted, cookies]).toEqual([false, []]);
    expect(await mfa.stored()).toHaveLength(1);
  });

  it('S111 is not trusted once the security stamp rose, nor once it expired', async () => {
    const { cookie, device } = await mfa.trust();
    mfa.clock.set(device.expiresAtMs - 1);
    const last = await mfa.issue(cookie);
    expect(last.cookies[0]).toContain('; Max-Age=0; ');
    expect(last.isTrusted).toBe(true);
    mfa.clock.set(device.expiresAtMs);
    expect((await mfa.issue(last.next)).isTrusted).toBe(false);
    mfa.clock.set(device.expiresAtMs - 1);
    await mfa.accounts.invalidate('ann');
    expect((await mfa.issue(last.next)).isTrusted).toBe(false);
  });

  it('is not trusted once its key left the ring', async () => {
    const { cookie, device } = await mfa.trust();
    change(device, { keyId: 'k0' });
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    change(device, { keyId: KEY.id });
    expect((await mfa.issue(cookie)).isTrusted).toBe(true);
  });

  it('is not trusted by the cookie of an app, nor the app by the token of a browser', async () => {
    const { cookie, text, device } = await mfa.trust();
    expect((await mfa.issue(undefined, { deviceToken: text })).isTrusted).toBe(false);
    change(device, { kind: 'token' });
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    expect((await mfa.issue(undefined, { deviceToken: text })).isTrusted).toBe(true);
    expect(await mfa.stored()).toEqual([{ ...device, kind: 'token' }]);
  });
});

describe('a login from a trusted app', () => {
  it('keeps its token, and sets no cookie', async () => {
    const { text, device } = await mfa.trust({ kind: 'token' });
    mfa.clock.advance(90);
    for (let uses = 0; uses < 2; uses += 1) {
      const { isTrusted, cookies } = await mfa.issue(undefined, { deviceToken: text });
      expect([isTrusted, cookies]).toEqual([true, []]);
    }
    expect(await mfa.stored()).toEqual([{ ...device, lastUsedAtMs: mfa.clock.nowMs() }]);
  });

  it('S112 ends by another secret, with an alarm, and without a cookie to clear', async () => {
    const { text } = await mfa.trust({ kind: 'token' });
    const { cookie } = await mfa.trust();
    const altered = `${text.slice(0, -1)}${text.endsWith('A') ? 'E' : 'A'}`;
    const { isTrusted, cookies } = await mfa.issue(cookie, { deviceToken: altered });
    expect([isTrusted, cookies]).toEqual([false, []]);
    expect((await mfa.stored()).map(({ kind }) => kind)).toEqual(['cookie']);
    expect(mfa.deviceEvents().at(-1)).toBe('mfa.device.reused');
  });
});

it('a device is shown by what its owner knows, and without a secret', async () => {
  const { device } = await mfa.trust();
  const { id, createdAtMs, lastUsedAtMs, expiresAtMs } = device;
  for (const current of [true, false]) {
    expect(deviceView(device, current)).toEqual({
      ...{ id, label: 'Firefox', method: 'totp', createdAt: new Date(createdAtMs) },
      ...{ lastUsedAt: new Date(lastUsedAtMs), expiresAt: new Date(expiresAtMs), current },
    });
  }
});

it('a browser with cookies of two keys is trusted by the one whose device is stored', async () => {
  const older = { id: 'k0', secret: 'Zk3vR8nQ1tYw5xBc7dFg9hJk2mNp4qSt6uVw8yZa0bE=' };
  mfa = await inMemoryDevices({ keys: [KEY, older] });
  const ring = mfa.options.keyRing;
  const credential = `k0.${credentialVersionMac('ann', 'v1', ring.byId('k0')!)}`;
  const { cookie, text } = await mfa.trust({ credential });
  const unknown = text.replace(/^.{4}/, 'AAAA');
  const newest = `__Host-mfa-device-${deviceCookieSuffix('ann', ring.newest)}=${unknown}`;
  expect((await mfa.issue(newest)).isTrusted).toBe(false);
  expect((await mfa.issue(`${newest}; ${cookie}`)).isTrusted).toBe(true);
  expect(mfa.deviceEvents()).toEqual(['mfa.device.trusted', 'mfa.device.used']);
});
