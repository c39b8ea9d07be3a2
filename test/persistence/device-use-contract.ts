import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import { hash, type Stores } from './rows.js';

const NOW = 1_800_000_000_000;
const LATER = NOW + 1_000;

/** What the contracts of trusted devices share. */
export interface DeviceContext {
  stores: () => Stores;
  userId: () => string;
  /** Stores a device of the user and returns it. */
  trusted: (rest?: Partial<TrustedDevice>) => Promise<TrustedDevice>;
}

/** What makes a device, or the claim to it, worthless. */
const WORTHLESS: [string, (context: DeviceContext, row: TrustedDevice) => Promise<TrustedDevice>][] = [
  ['of another id', async (_, row) => ({ ...row, id: randomUUID() })],
  [
    'of another user',
    async ({ stores }, row) => {
      const other = `user-${randomUUID()}`;
      await stores().accounts.open(other, NOW);
      return { ...row, userId: other };
    },
  ],
  [
    'of a user without an account',
    async ({ stores, userId }, row) => {
      await stores().accounts.remove(userId());
      return row;
    },
  ],
  [
    'of an older security stamp',
    async ({ stores, userId }, row) => {
      await stores().accounts.invalidate(userId());
      return row;
    },
  ],
  ['of a newer security stamp', async (_, row) => ({ ...row, securityStamp: NOW + 1 })],
  [
    'that was removed',
    async ({ stores, userId }, row) => {
      await stores().devices.remove(userId(), row.id);
      return row;
    },
  ],
];

/** What every store does alike when a secret is used that is rotated then. */
export function rotation(context: DeviceContext): void {
  const { stores, userId, trusted } = context;
  const current = (row: TrustedDevice) => stores().devices.find(userId(), row.lookupHash);
  const next = hash('next');

  it('S112 makes the next secret the current one, and the current one the previous', async () => {
    const [row, other] = [await trusted({ previousHash: hash('first') }), await trusted()];
    expect(await stores().devices.rotate(row, next, LATER)).toBe(true);
    const rotated = { secretHash: next, previousHash: row.secretHash, rotatedAtMs: LATER, lastUsedAtMs: LATER };
    expect(await current(row)).toEqual({ ...row, ...rotated });
    expect(await current(other)).toEqual(other);
  });

  it('S112 does nothing with the previous secret', async () => {
    const row = await trusted();
    expect(await stores().devices.rotate(row, next, LATER)).toBe(true);
    const rotated = await current(row);
    expect(await stores().devices.rotate(row, hash('another'), LATER + 1)).toBe(false);
    expect(await current(row)).toEqual(rotated);
  });

  it('S112 happens once in 20 parallel logins with one secret', async () => {
    const row = await trusted();
    const rotate = (_: unknown, index: number) => stores().devices.rotate(row, next, LATER + index);
    const won = await Promise.all(Array.from({ length: 20 }, rotate));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await current(row)).toMatchObject({ secretHash: next, previousHash: row.secretHash });
    expect((await current(row))!.rotatedAtMs).toBe(LATER + won.indexOf(true));
  });

  it('S111 does nothing from the time on at which the device expires', async () => {
    const row = await trusted({ expiresAtMs: LATER });
    expect(await stores().devices.rotate(row, next, LATER)).toBe(false);
    expect(await current(row)).toEqual(row);
    expect(await stores().devices.rotate(row, next, LATER - 1)).toBe(true);
  });

  it.each(WORTHLESS)('S111 S113 does nothing with a device %s', async (_, spoil) => {
    const row = await trusted();
    const claimed = await spoil(context, row);
    const stored = await current(row);
    expect(await stores().devices.rotate(claimed, next, LATER)).toBe(false);
    expect(await current(row)).toEqual(stored);
  });
}

/** What every store does alike when a secret is used that stays. */
export function use(context: DeviceContext): void {
  const { stores, userId, trusted } = context;
  const current = (row: TrustedDevice) => stores().devices.find(userId(), row.lookupHash);

  it('S112 by its current or previous secret sets only the time of last use', async () => {
    const [row, other] = [await trusted({ previousHash: hash('first') }), await trusted()];
    expect(await stores().devices.noteUse(row, row.secretHash, LATER)).toBe(true);
    expect(await current(row)).toEqual({ ...row, lastUsedAtMs: LATER });
    expect(await stores().devices.noteUse(row, hash('first'), LATER + 1)).toBe(true);
    expect(await current(row)).toEqual({ ...row, lastUsedAtMs: LATER + 1 });
    expect(await current(other)).toEqual(other);
  });

  it('is reported again at the same time and at an earlier one, and never moves the time back', async () => {
    const row = await trusted({ lastUsedAtMs: LATER });
    for (const nowMs of [LATER, LATER - 500, LATER]) {
      expect(await stores().devices.noteUse(row, row.secretHash, nowMs)).toBe(true);
      const { lastUsedAtMs } = (await current(row))!;
      expect(lastUsedAtMs - LATER).toBeGreaterThanOrEqual(0);
      expect(lastUsedAtMs - LATER).toBeLessThan(10);
    }
  });

  it('S112 by the secret that was current when it was read succeeds after a parallel rotation', async () => {
    const row = await trusted();
    expect(await stores().devices.rotate(row, hash('next'), LATER)).toBe(true);
    expect(await stores().devices.noteUse(row, row.secretHash, LATER)).toBe(true);
    expect(await stores().devices.noteUse(row, hash('next'), LATER)).toBe(true);
  });

  it('S112 by any other secret does nothing', async () => {
    const row = await trusted();
    for (const other of [hash('other'), row.lookupHash, '']) {
      expect(await stores().devices.noteUse(row, other, LATER)).toBe(false);
    }
    expect(await current(row)).toEqual(row);
  });

  it('S111 does nothing from the time on at which the device expires', async () => {
    const row = await trusted({ expiresAtMs: LATER });
    expect(await stores().devices.noteUse(row, row.secretHash, LATER)).toBe(false);
    expect(await current(row)).toEqual(row);
    expect(await stores().devices.noteUse(row, row.secretHash, LATER - 1)).toBe(true);
  });

  it.each(WORTHLESS)('S111 S113 does nothing with a device %s', async (_, spoil) => {
    const row = await trusted({ previousHash: hash('first') });
    const claimed = await spoil(context, row);
    const stored = await current(row);
    for (const secretHash of [row.secretHash, hash('first')]) {
      expect(await stores().devices.noteUse(claimed, secretHash, LATER)).toBe(false);
    }
    expect(await current(row)).toEqual(stored);
  });
}
