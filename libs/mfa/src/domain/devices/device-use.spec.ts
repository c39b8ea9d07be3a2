import { describe, expect, it } from 'vitest';
import type { TrustedDevice } from './device.js';
import { deviceExpiry, isLiveDevice, presentedSecret } from './device-use.js';

const NOW = 1_800_000_000_000;
const device = (rest: Partial<TrustedDevice> = {}) =>
  ({ secretHash: 'current', previousHash: 'previous', rotatedAtMs: NOW, ...rest }) as TrustedDevice;

describe('a presented secret', () => {
  it('S112 is the current one at any time', () => {
    for (const nowMs of [NOW - 1, NOW, NOW + 60_001, NOW + 1e10]) {
      expect(presentedSecret(device(), 'current', nowMs)).toBe('current');
    }
    const unused = device({ previousHash: null, rotatedAtMs: null });
    expect(presentedSecret(unused, 'current', NOW)).toBe('current');
    expect(presentedSecret(device({ previousHash: 'current' }), 'current', NOW + 1e10)).toBe('current');
  });

  it.each([
    ['at the rotation', 0, 'previous'],
    ['exactly 60 s after it', 60_000, 'previous'],
    ['1 ms later', 60_001, 'lost'],
    ['a day after it', 86_400_000, 'lost'],
    ['where the clock is a second behind the rotation', -1_000, 'previous'],
    ['where the clock is 60 s behind the rotation', -60_000, 'previous'],
    ['where the clock is a day behind the rotation', -86_400_000, 'lost'],
  ] as const)('S112 is, by the previous one, %s: %d ms → %s', (_, afterMs, expected) => {
    expect(presentedSecret(device(), 'previous', NOW + afterMs)).toBe(expected);
  });

  it('S112 is lost by the previous one where the time of the rotation is unknown', () => {
    expect(presentedSecret(device({ rotatedAtMs: null }), 'previous', NOW)).toBe('lost');
  });

  it.each(['another', '', 'curren', 'current ', 'Current', 'null'])('S112 is foreign as %j', (presented) => {
    expect(presentedSecret(device(), presented, NOW)).toBe('foreign');
    expect(presentedSecret(device({ previousHash: null, rotatedAtMs: null }), presented, NOW)).toBe('foreign');
  });
});

describe('a device is live', () => {
  const live = device({ securityStamp: 7, createdAtMs: NOW - 1_000, expiresAtMs: NOW });
  const account = { securityStamp: 7, lifetimeMs: 5_000 };

  it('S111 until the millisecond in which it expires', () => {
    expect(isLiveDevice(live, account, NOW - 1)).toBe(true);
    expect(isLiveDevice(live, account, NOW)).toBe(false);
    expect(isLiveDevice(live, account, NOW + 1)).toBe(false);
  });

  it('S111 for the present lifetime at most, and not longer where that became longer', () => {
    const shorter = { ...account, lifetimeMs: 600 };
    expect(isLiveDevice(live, shorter, NOW - 401)).toBe(true);
    expect(isLiveDevice(live, shorter, NOW - 400)).toBe(false);
    expect([deviceExpiry(live, 600), deviceExpiry(live, 1_000), deviceExpiry(live, 5_000)]).toEqual([
      NOW - 400,
      NOW,
      NOW,
    ]);
  });

  it('S111 under exactly the security stamp under which it was trusted', () => {
    for (const securityStamp of [6, 8]) expect(isLiveDevice(live, { ...account, securityStamp }, NOW - 1)).toBe(false);
  });
});
