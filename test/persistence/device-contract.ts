import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import { type DeviceContext, rotation, use } from './device-use-contract.js';
import { trimming } from './device-trim-contract.js';
import { device, hash, type Stores } from './rows.js';

const NOW = 1_800_000_000_000;
const LATER = NOW + 1_000;

/** What every store of trusted devices does alike. The account of the user exists, at the security stamp `NOW`. */
export function deviceContract(stores: () => Stores, userId: () => string): void {
  const devices = () => stores().devices;
  /** Stores a device of the user and returns it. */
  async function trusted(rest: Partial<TrustedDevice> = {}): Promise<TrustedDevice> {
    const row = device(userId(), rest);
    await devices().add(row);
    return row;
  }
  const context: DeviceContext = { stores, userId, trusted };

  it('finds a device as it was stored, by user and lookup hash', async () => {
    const label = 'Mozilla/5.0 (é, ✓, 😀) \\ \' " %';
    const rows = [
      await trusted({ kind: 'token', label }),
      await trusted({ previousHash: hash('a'), rotatedAtMs: NOW }),
    ];
    for (const row of rows) expect(await devices().find(userId(), row.lookupHash)).toEqual(row);
    expect(await devices().find(userId(), hash('unknown'))).toBeNull();
  });

  it('stores the longest values', async () => {
    const row = await trusted({
      ...{ keyId: 'k'.repeat(32), credentialVersion: 'v'.repeat(64), method: 'm'.repeat(16), label: '😀'.repeat(255) },
    });
    expect(await devices().find(userId(), row.lookupHash)).toEqual(row);
  });

  it('S113 gives no device to another user, even if the ids differ by case, accent or a trailing space only', async () => {
    const row = await trusted();
    const others = [userId().toUpperCase(), userId().replace('u', 'ü'), `${userId()} `, 'nobody'];
    for (const other of others) {
      expect(await devices().find(other, row.lookupHash)).toBeNull();
      expect(await devices().list(other)).toEqual([]);
    }
  });

  it('refuses a second device with one id, or with one lookup hash of one user, and takes that of another user', async () => {
    const row = await trusted();
    await expect(devices().add(device(userId(), { id: row.id }))).rejects.toThrow();
    await expect(devices().add(device(userId(), { lookupHash: row.lookupHash }))).rejects.toThrow();
    expect(await devices().list(userId())).toEqual([row]);
    const theirs = device(`user-${randomUUID()}`, { lookupHash: row.lookupHash });
    await devices().add(theirs);
    expect(await devices().find(theirs.userId, row.lookupHash)).toEqual(theirs);
  });

  it('lists all devices of one user, the most recently used first, then by id', async () => {
    await devices().add(device(`user-${randomUUID()}`));
    const oldest = await trusted({ lastUsedAtMs: NOW - 1, expiresAtMs: 1 });
    const same = [await trusted(), await trusted(), await trusted()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const newest = await trusted({ lastUsedAtMs: NOW + 1, securityStamp: 1 });
    expect(await devices().list(userId())).toEqual([newest, ...same, oldest]);
  });

  it('removes one device, only for its user', async () => {
    const [row, other] = [await trusted(), await trusted()];
    expect(await devices().remove('nobody', row.id)).toBe(false);
    expect(await devices().remove(userId(), randomUUID())).toBe(false);
    expect(await devices().remove(userId(), row.id)).toBe(true);
    expect(await devices().remove(userId(), row.id)).toBe(false);
    expect(await devices().list(userId())).toEqual([other]);
  });

  it('S112 removes a device with its secret only while that is the current one', async () => {
    const row = await trusted();
    expect(await devices().removeWith({ ...row, userId: 'nobody' })).toBe(false);
    expect(await devices().removeWith({ ...row, id: randomUUID() })).toBe(false);
    expect(await devices().rotate(row, hash('next'), LATER)).toBe(true);
    expect(await devices().removeWith(row)).toBe(false);
    const rotated = (await devices().find(userId(), row.lookupHash))!;
    expect(await devices().removeWith(rotated)).toBe(true);
    expect(await devices().list(userId())).toEqual([]);
  });

  it('removes all devices of one user, and says how many', async () => {
    const theirs = device(`user-${randomUUID()}`);
    await devices().add(theirs);
    await trusted();
    await trusted({ expiresAtMs: 1 });
    expect(await devices().removeAll(userId())).toBe(2);
    expect(await devices().removeAll(userId())).toBe(0);
    expect(await devices().list(theirs.userId)).toEqual([theirs]);
  });

  it('S61 purges expired devices of all users, oldest first, up to the limit', async () => {
    await devices().purge(NOW, 1_000);
    const expired = [await trusted({ expiresAtMs: NOW - 2 }), device(`user-${randomUUID()}`, { expiresAtMs: NOW - 1 })];
    await devices().add(expired[1]!);
    const [last, live] = [await trusted({ expiresAtMs: NOW }), await trusted({ expiresAtMs: NOW + 1 })];
    expect(await devices().purge(NOW, 2)).toBe(2);
    expect(await devices().list(expired[1]!.userId)).toEqual([]);
    expect((await devices().list(userId())).map(({ id }) => id).toSorted()).toEqual([last.id, live.id].toSorted());
    expect(await devices().purge(NOW, 2)).toBe(1);
    expect(await devices().purge(NOW, 2)).toBe(0);
    expect(await devices().list(userId())).toEqual([live]);
  });

  describe('rotated', () => rotation(context));
  describe('used', () => use(context));
  describe('trimmed', () => trimming(context));
  describe('read at a login', () => atLogin(context));
}

function atLogin({ stores, userId, trusted }: DeviceContext): void {
  const read = (id: string, lookupHash?: string) => stores().accounts.loadForLogin(id, undefined, lookupHash);

  it('comes with the account and its authenticators, whether or not it is still trusted', async () => {
    const row = await trusted({ expiresAtMs: 1, securityStamp: 1, kind: 'token' });
    await trusted();
    const without = await read(userId());
    expect(without.device).toBeNull();
    expect(await read(userId(), row.lookupHash)).toEqual({ ...without, device: row });
    expect(await read(userId(), hash('unknown'))).toEqual(without);
  });

  it('comes with a policy sighting too', async () => {
    const row = await trusted();
    await stores().policiesSeen.record(userId(), 'p', NOW);
    const both = await stores().accounts.loadForLogin(userId(), 'p', row.lookupHash);
    expect(both).toMatchObject({ policySeenAtMs: NOW, device: row });
  });

  it('S113 is none for another user, also where the ids differ by case only', async () => {
    const row = await trusted();
    const typed = userId().toUpperCase();
    expect(await read(typed, row.lookupHash)).toEqual({
      ...{ snapshot: null, otherCase: true, policySeenAtMs: null, device: null },
    });
    await stores().accounts.open(typed, NOW);
    expect((await read(typed, row.lookupHash)).device).toBeNull();
    const theirs = device(typed, { lookupHash: row.lookupHash });
    await stores().devices.add(theirs);
    expect((await read(typed, row.lookupHash)).device).toEqual(theirs);
    expect((await read(userId(), row.lookupHash)).device).toEqual(row);
  });

  it('is none of a user without an account, or of a user whose id has a trailing space', async () => {
    const theirs = device(`${userId()} `);
    await stores().devices.add(theirs);
    expect((await read(userId(), theirs.lookupHash)).device).toBeNull();
    const row = await trusted();
    await stores().accounts.remove(userId());
    expect((await read(userId(), row.lookupHash)).device).toBeNull();
  });
}
