import { isSame } from '../secrets/key-ring.js';
import type { TrustedDevice } from './device.js';

/** How long the previous secret is accepted after a rotation: other tabs still present it. */
const OVERLAP_MS = 60_000;

/** What a presented secret is for a device. */
export type PresentedSecret =
  | 'current'
  /** The one before, within 60 s of the rotation: another tab was first. */
  | 'previous'
  /** The one before, later: the response with the new secret was lost. */
  | 'lost'
  /** Any other one: somebody has a copy of an old secret. */
  | 'foreign';

/** Compares a presented secret with those of the device. */
// S112
export function presentedSecret(
  { secretHash, previousHash, rotatedAtMs }: TrustedDevice,
  presentedHash: string,
  nowMs: number,
): PresentedSecret {
  if (isSame(presentedHash, secretHash)) return 'current';
  if (previousHash === null || !isSame(presentedHash, previousHash)) return 'foreign';
  // A rotation far in the future was made under another clock. It must not prolong the overlap.
  return Math.abs(nowMs - (rotatedAtMs ?? 0)) <= OVERLAP_MS ? 'previous' : 'lost';
}

/** When a device expires, in epoch milliseconds. A shorter `lifetimeMs` applies to devices that are trusted already. */
// S111
export function deviceExpiry({ createdAtMs, expiresAtMs }: TrustedDevice, lifetimeMs: number): number {
  return Math.min(expiresAtMs, createdAtMs + lifetimeMs);
}

/** Whether the device is trusted by its row alone: it is not expired, and the factors did not change since. */
// S111
export function isLiveDevice(
  device: TrustedDevice,
  { securityStamp, lifetimeMs }: { securityStamp: number; lifetimeMs: number },
  nowMs: number,
): boolean {
  return device.securityStamp === securityStamp && nowMs < deviceExpiry(device, lifetimeMs);
}
