import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import type { DeviceContext } from './device-use-contract.js';
import { device, hash } from './rows.js';

const NOW = 1_800_000_000_000;

/** What every store does alike after a device was added. */
export function trimming({ stores, userId, trusted }: DeviceContext): void {
  const devices = () => stores().devices;
  const left = async () => new Set((await devices().list(userId())).map(({ id }) => id));
  const ids = (...rows: TrustedDevice[]) => new Set(rows.map(({ id }) => id));

  it('loses nothing below the limit', async () => {
    const rows = [await trusted(), await trusted({ kind: 'token', lastUsedAtMs: 1 }), await trusted()];
    await devices().trim(rows[0]!, { max: 3, nowMs: NOW });
    expect(await left()).toEqual(ids(...rows));
  });

  it('keeps the most recently used devices, the new one among them', async () => {
    const rows = [];
    for (const lastUsedAtMs of [NOW - 3, NOW - 1, NOW - 4, NOW - 2]) rows.push(await trusted({ lastUsedAtMs }));
    const added = await trusted();
    await devices().trim(added, { max: 3, nowMs: NOW });
    expect(await left()).toEqual(ids(added, rows[1]!, rows[3]!));
    await devices().trim(added, { max: 1, nowMs: NOW });
    expect(await left()).toEqual(ids(added));
  });

  it('keeps the newest of devices that were used at the same time, and the smallest ids of equally new ones', async () => {
    const rows = [await trusted(), await trusted(), await trusted(), await trusted()];
    const added = await trusted({ createdAtMs: NOW + 1 });
    await devices().trim(added, { max: 3, nowMs: NOW });
    expect(await left()).toEqual(ids(added, ...rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, 2)));
  });

  it('keeps exactly as many as the limit after parallel calls', async () => {
    const added = await Promise.all(Array.from({ length: 4 }, () => trusted()));
    await Promise.all(added.map((each) => devices().trim(each, { max: 2, nowMs: NOW })));
    expect((await left()).size).toBe(2);
  });

  it('S111 loses the new device itself if the account has another security stamp, or is gone', async () => {
    const other = await trusted();
    const [older, newer] = [await trusted({ securityStamp: NOW - 1 }), await trusted({ securityStamp: NOW + 1 })];
    await devices().trim(older, { max: 9, nowMs: NOW });
    expect(await left()).toEqual(ids(other, newer));
    await devices().trim(newer, { max: 9, nowMs: NOW });
    expect(await left()).toEqual(new Set());
    const stranger = device(`user-${randomUUID()}`);
    await devices().add(stranger);
    await devices().trim(stranger, { max: 9, nowMs: NOW });
    expect(await devices().list(stranger.userId)).toEqual([]);
  });

  it('leaves the devices of other users', async () => {
    const theirs = device(`user-${randomUUID()}`, { expiresAtMs: 1, securityStamp: 1 });
    await devices().add(theirs);
    await devices().trim(await trusted(), { max: 1, replacedLookupHash: theirs.lookupHash, nowMs: NOW });
    expect(await devices().list(theirs.userId)).toEqual([theirs]);
  });

  const DEAD: [string, Partial<TrustedDevice>][] = [
    ['the device that the new one replaces', { lookupHash: hash('replaced') }],
    ['devices that expired', { expiresAtMs: NOW }],
    ['devices of a lower security stamp', { securityStamp: NOW - 1 }],
    ['devices of another version of the password under the same key', { credentialVersion: 'older' }],
  ];
  const LIVE: [string, Partial<TrustedDevice>][] = [
    ['a device that expires later', { expiresAtMs: NOW + 1 }],
    ['a device of a higher security stamp', { securityStamp: NOW + 1 }],
    [
      'a device of another key, whose version of the password cannot be compared',
      { keyId: 'k0', credentialVersion: 'x' },
    ],
    ['an app', { kind: 'token' }],
  ];

  it.each(DEAD)('S111 loses %s, which makes no place for others to lose', async (_, changes) => {
    const lookupHash = hash(randomUUID());
    const dead = await trusted({ lastUsedAtMs: NOW + 9, ...changes });
    const live = await trusted({ lastUsedAtMs: NOW - 9 });
    const added = await trusted({ lookupHash });
    await devices().trim(added, { max: 2, replacedLookupHash: hash('replaced'), nowMs: NOW });
    expect(await left()).toEqual(ids(added, live));
    expect([...(await left())]).not.toContain(dead.id);
  });

  it.each(LIVE)('keeps %s, as one of those that the limit counts', async (_, changes) => {
    const kept = await trusted({ lastUsedAtMs: NOW - 1, ...changes });
    await trusted({ lastUsedAtMs: NOW - 2 });
    const added = await trusted();
    await devices().trim(added, { max: 2, replacedLookupHash: hash('replaced'), nowMs: NOW });
    expect(await left()).toEqual(ids(added, kept));
  });

  it('replaces nothing unless a lookup hash is given', async () => {
    const [row, added] = [await trusted({ lookupHash: hash('replaced') }), await trusted()];
    await devices().trim(added, { max: 5, nowMs: NOW });
    expect(await left()).toEqual(ids(row, added));
  });

  it.each(['at one time', 'one after another'])('leaves at most the limit of 20 parallel logins %s', async (times) => {
    const add = async (_: unknown, index: number) => {
      const row = await trusted({ lastUsedAtMs: times === 'at one time' ? NOW : NOW + index });
      await devices().trim(row, { max: 3, nowMs: NOW });
    };
    await Promise.all(Array.from({ length: 20 }, add));
    const { size } = await left();
    expect(size).toBeGreaterThanOrEqual(1);
    expect(size).toBeLessThanOrEqual(3);
  });
}
