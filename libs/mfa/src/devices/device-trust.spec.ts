import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeResponse, httpContext, inMemoryDevices } from '../../../../test/support/in-memory-devices.js';
import { KEY } from '../../../../test/support/in-memory-mfa.js';
import { credentialVersionMac, deviceHash } from '../domain/devices/device-secret.js';
import type { TrustRequest } from './device-trust.js';

const DAY_MS = 86_400_000;
let mfa: Awaited<ReturnType<typeof inMemoryDevices>>;
let logged: string[];
beforeEach(async () => {
  mfa = await inMemoryDevices();
  logged = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((line: unknown) => void logged.push(String(line)));
});
afterEach(() => vi.restoreAllMocks());

const start = (changes: Partial<TrustRequest> = {}) => mfa.deviceTrust.start({ ...mfa.request, ...changes });

describe('trusting a device', () => {
  it('S110 stores it by hashes, with what it was trusted under', async () => {
    const { token, device } = (await start())!;
    const nowMs = mfa.clock.nowMs();
    expect(await mfa.stored()).toEqual([device]);
    expect(device).toEqual({
      ...{ id: expect.stringMatching(/^[\da-f-]{36}$/) as string, userId: 'ann', kind: 'cookie', method: 'totp' },
      ...{ lookupHash: deviceHash(token.lookupId), secretHash: deviceHash(token.secret) },
      ...{ previousHash: null, rotatedAtMs: null, keyId: KEY.id, securityStamp: mfa.request.securityStamp },
      credentialVersion: credentialVersionMac('ann', 'v1', mfa.options.keyRing.newest),
      ...{ label: 'Firefox', createdAtMs: nowMs, lastUsedAtMs: nowMs, expiresAtMs: nowMs + 30 * DAY_MS },
      mfaAtMs: mfa.request.mfaAt.getTime(),
    });
    expect(device.id).not.toContain(token.lookupId);
  });

  it('keeps the time of the proof, which may be earlier', async () => {
    const mfaAt = new Date(mfa.clock.nowMs() - 7);
    expect((await start({ mfaAt }))!.device.mfaAtMs).toBe(mfaAt.getTime());
  });

  it.each<[string, unknown, string]>([
    ['without control characters', ' Fire\u0000\u001B[31m\r\nfox\u0085\u007F ', 'Fire [31m fox'],
    ['without half characters', 'a\uD800b 😀', 'a b 😀'],
    ['of 255 characters at most', 'x'.repeat(300), 'x'.repeat(255)],
    ['that is missing', null, ''],
    ['that is a list', ['Firefox'], ''],
  ])('has a label %s', async (_, agent, label) => {
    const context = httpContext(undefined, new FakeResponse(), agent);
    expect((await start({ context }))!.device.label).toBe(label);
  });

  it.each<[string, Partial<TrustRequest>]>([
    ['without a version of the password in the token of the login', { credential: undefined }],
    ['with an empty one', { credential: '' }],
    ['with one that has no MAC', { credential: KEY.id }],
    ['with one that has an empty MAC', { credential: `${KEY.id}.` }],
    ['with one of a key that left the ring', { credential: 'k0.mac' }],
    ['without a request', { context: undefined }],
    ['without a response for the cookie', { context: httpContext(undefined, {}) }],
    ['by a backup code', { method: 'backup_code' }],
    ['by a recovery code', { method: 'recovery_code' }],
    ['by a method that does not exist', { method: 'other' }],
    ['by the first factor of the login', { rules: { policy: null, firstFactor: 'totp' } }],
    [
      'where the policy forbids devices',
      { rules: { policy: policy({ trustedDevices: false }), firstFactor: undefined } },
    ],
    [
      'where the policy does not allow the method',
      { rules: { policy: policy({ methods: ['passkey'] }), firstFactor: undefined } },
    ],
  ])('S113 does nothing %s', async (_, changes) => {
    expect(await start(changes)).toBeNull();
    expect(await mfa.stored()).toEqual([]);
    expect(logged).toEqual([]);
  });

  it('does nothing where devices are off', async () => {
    const off = await inMemoryDevices({ trustedDevices: undefined });
    expect(await off.deviceTrust.start(off.request)).toBeNull();
    expect(await off.stored()).toEqual([]);
  });

  it('needs no response for an app', async () => {
    expect(await start({ kind: 'token', context: undefined })).toMatchObject({ device: { kind: 'token', label: '' } });
  });

  it('S110 replaces the device of the same browser, also under an older key, and none for an app', async () => {
    const first = await mfa.trust();
    await mfa.trust({ kind: 'token', context: httpContext(first.cookie) });
    expect(await mfa.stored()).toHaveLength(2);
    const second = await mfa.trust({ context: httpContext(first.cookie) });
    const ids = (await mfa.stored()).map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect(ids).toContain(second.device.id);
    expect(ids).not.toContain(first.device.id);
  });

  it('removes the least recently used device beyond max, and those that expired', async () => {
    const few = await inMemoryDevices({ trustedDevices: { max: 2, lifetimeDays: 1 } });
    const trusted: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      trusted.push((await few.trust()).device.id);
      few.clock.advance(1);
    }
    expect((await few.stored()).map(({ id }) => id)).toEqual([trusted[2], trusted[1]]);
    few.clock.set(few.request.mfaAt.getTime() + DAY_MS + 1_000);
    const { device } = await few.trust();
    expect((await few.stored()).map(({ id }) => id)).toEqual([device.id, trusted[2]]);
  });

  it.each([
    ['fails', () => Promise.reject(new TypeError('no'))],
    [
      'throws at once',
      () => {
        throw new TypeError('no');
      },
    ],
  ])('is left out where its storage %s, and says so in the log', async (_, fails) => {
    vi.spyOn(mfa.devices, 'add').mockImplementation(fails);
    expect(await start()).toBeNull();
    expect(logged).toEqual(['A device could not be trusted (TypeError). The login goes on without it']);
  });

  it.each(['bytes', 'id'] as const)(
    'is left out where no random %s can be made: the proof is spent by then',
    async (name) => {
      vi.spyOn(mfa.random, name).mockImplementation(() => {
        throw new RangeError('no entropy');
      });
      expect(await start()).toBeNull();
      expect(logged).toEqual(['A device could not be trusted (RangeError). The login goes on without it']);
    },
  );

  it('stands where the others could not be removed', async () => {
    vi.spyOn(mfa.devices, 'trim').mockRejectedValue(new TypeError('no'));
    const trusted = await start();
    await mfa.deviceTrust.finish(trusted!);
    expect(await mfa.stored()).toEqual([trusted!.device]);
    expect(logged).toEqual([expect.stringMatching(/^A step after a committed change failed \(TypeError\)/)]);
  });
});

describe('handing a device over', () => {
  it('sets the cookie for the whole lifetime, clears those of older keys, and is an event', async () => {
    const response = new FakeResponse();
    const trusted = (await start({ context: httpContext(undefined, response) }))!;
    expect(response.cookies).toEqual([]);
    expect(mfa.deviceEvents()).toEqual([]);
    await mfa.deviceTrust.finish(trusted);
    const value = `${trusted.token.lookupId}.${trusted.token.secret}`;
    expect(response.cookies).toEqual([expect.stringContaining(`=${value}; Max-Age=${30 * 86_400}; `)]);
    const { id, createdAtMs } = trusted.device;
    await Promise.resolve();
    expect(mfa.told).toEqual([
      expect.objectContaining({
        ...{ type: 'mfa.device.trusted', userId: 'ann' },
        device: { id, label: 'Firefox', createdAt: new Date(createdAtMs) },
      }),
    ]);
  });

  it('clears the cookie that the same browser has under an older key', async () => {
    const older = { id: 'k0', secret: 'Zk3vR8nQ1tYw5xBc7dFg9hJk2mNp4qSt6uVw8yZa0bE=' };
    const before = await inMemoryDevices({ keys: [older] });
    const { cookie } = await before.trust();
    const after = await inMemoryDevices({ keys: [KEY, older] });
    const response = new FakeResponse();
    const trusted = await after.deviceTrust.start({ ...after.request, context: httpContext(cookie, response) });
    await after.deviceTrust.finish(trusted!);
    const [name] = cookie.split('=');
    expect(response.cookies).toEqual([
      expect.stringMatching(`^${name}=; Max-Age=0;`),
      expect.not.stringContaining(`${name}=`),
    ]);
  });

  it('sets no cookie for an app', async () => {
    const response = new FakeResponse();
    await mfa.deviceTrust.finish((await start({ kind: 'token', context: httpContext('a=1', response) }))!);
    expect(response.headers.size).toBe(0);
    await Promise.resolve();
    expect(mfa.deviceEvents()).toEqual(['mfa.device.trusted']);
  });

  it('lets the login go on where the cookie cannot be set', async () => {
    const response = Object.assign(new FakeResponse(), {
      setHeader: () => {
        throw new RangeError('headers were sent');
      },
    });
    const trusted = (await start({ context: httpContext(undefined, response) }))!;
    expect(() => mfa.deviceTrust.finish(trusted)).not.toThrow();
    expect(logged).toEqual(['The cookie of a trusted device could not be set: RangeError']);
  });
});

describe('withdrawing a device', () => {
  it('removes exactly it', async () => {
    const [first, second] = [(await start())!, (await start())!];
    await mfa.deviceTrust.withdraw(first);
    expect(await mfa.stored()).toEqual([second.device]);
    expect(logged).toEqual([]);
  });

  it.each([
    ['fails', () => Promise.reject(new TypeError('no'))],
    [
      'throws at once',
      () => {
        throw new TypeError('no');
      },
    ],
  ])('never throws where its removal %s', async (_, fails) => {
    const trusted = (await start())!;
    vi.spyOn(mfa.devices, 'remove').mockImplementation(fails);
    await expect(mfa.deviceTrust.withdraw(trusted)).resolves.toBeUndefined();
    expect(logged).toEqual([expect.stringMatching(/^A step after a committed change failed \(TypeError\)/)]);
  });
});

function policy(rest: object) {
  return {
    id: 'p',
    required: true,
    methods: null,
    backupCodes: true,
    graceMs: 0,
    trustedDevices: true,
    ...rest,
  } as never;
}
