import { createHmac } from 'node:crypto';
import type { MfaAccount } from '../accounts/account.js';
import { isSame, type KeyRing, type RingKey } from '../secrets/key-ring.js';
import { CLOCK_SKEW_MS, type UsageEntry } from '../usage/usage.js';
import type { MfaUsageStore } from '../usage/usage.store.js';

/** How long a recovery code can be used, in milliseconds. */
export const RECOVERY_LIFETIME_MS = 24 * 60 * 60 * 1000;

const RECOVERY_CODE = /^[A-Z0-9]{16}$/;

/** Whether a normalised code has the format of a recovery code: 16 of A–Z and 0–9. */
export function isRecoveryCodeShape(normalised: string): boolean {
  return RECOVERY_CODE.test(normalised);
}

/**
 * The hash of a normalised recovery code as it is stored: HMAC-SHA-256 in hex, bound to the user. The key makes a dump of
 * the table useless for guessing.
 */
// S104
export function recoveryHash(userId: string, code: string, { recoveryKey }: RingKey): string {
  return createHmac('sha256', recoveryKey)
    .update(JSON.stringify([userId, code]))
    .digest('hex');
}

/** A recovery code that is right and not yet spent. */
export interface RecoveryMatch {
  /** The usage row that spending it writes. */
  entry: UsageEntry;
  /** It must still be the live code when it is spent. */
  recoveryHash: string;
}

/** Compares a normalised code with the live recovery code of the account, under every key of the ring. `null` = wrong or expired. */
export function matchRecoveryCode(
  { userId, recovery }: MfaAccount,
  code: string,
  { keyRing, nowMs }: { keyRing: KeyRing; nowMs: number },
): RecoveryMatch | null {
  if (recovery === null || nowMs >= recovery.expiresAtMs) return null;
  const { hash, expiresAtMs } = recovery;
  if (!hashesOf(userId, code, keyRing).some((each) => isSame(each, hash))) return null;
  const entry = { kind: 'recovery_code', item: hash, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS } as const;
  return { entry, recoveryHash: hash };
}

/**
 * Whether the code is a recovery code of the user that was spent, as far as that is still stored. Who sends it again guesses
 * nothing. One statement.
 */
// S70
export async function isSpentRecoveryCode(
  usage: MfaUsageStore,
  { userId, code, keyRing }: { userId: string; code: string; keyRing: KeyRing },
): Promise<boolean> {
  const hashes = hashesOf(userId, code, keyRing);
  return (await usage.list(userId)).some(({ kind, item }) => kind === 'recovery_code' && hashes.includes(item));
}

/** The hashes under every key of the ring. */
function hashesOf(userId: string, code: string, keyRing: KeyRing): string[] {
  return keyRing.ids.map((id) => recoveryHash(userId, code, keyRing.byId(id)!));
}
