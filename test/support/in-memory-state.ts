import type { MfaAccount } from '../../libs/mfa/src/domain/accounts/account.js';
import type { Authenticator } from '../../libs/mfa/src/domain/authenticators/authenticator.js';
import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import type { Passkey } from '../../libs/mfa/src/domain/passkeys/passkey.js';
import type { DueUser, PolicySighting } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';

/** A spent thing. */
export interface UsageRow extends UsageEntry {
  userId: string;
  spentAtMs: number;
}

/** When a user was first seen under a policy. */
export type PolicySeenRow = DueUser & PolicySighting;

/** What the in-memory stores share, in place of a database. */
export class InMemoryMfaState {
  /** By user id. */
  readonly accounts = new Map<string, MfaAccount>();
  /** By authenticator id. */
  readonly authenticators = new Map<string, Authenticator>();
  /** By code id. */
  readonly backupCodes = new Map<string, BackupCode>();
  /** By passkey id. */
  readonly passkeys = new Map<string, Passkey>();
  /** By {@link usageKey}. */
  readonly usage = new Map<string, UsageRow>();
  /** By {@link sightingKey}. */
  readonly policySeen = new Map<string, PolicySeenRow>();
  /** By device id. */
  readonly devices = new Map<string, TrustedDevice>();
}

/** The key under which a sighting is unique. */
export function sightingKey(userId: string, policyId: string): string {
  return JSON.stringify([userId, policyId]);
}

/** The key under which a spent thing is unique. */
export function usageKey(userId: string, { kind, item }: Pick<UsageEntry, 'kind' | 'item'>): string {
  return JSON.stringify([userId, kind, item]);
}

/** Removes what matches; answers how many there were. */
export function removeWhere<T>(rows: Map<string, T>, matches: (row: T) => boolean): number {
  const keys = [...rows].filter(([, row]) => matches(row)).map(([key]) => key);
  keys.forEach((key) => rows.delete(key));
  return keys.length;
}

/** Changes what matches. */
export function updateWhere<T>(
  rows: Map<string, T>,
  matches: (row: T) => boolean,
  change: (row: T) => Partial<T>,
): number {
  const found = [...rows].filter(([, row]) => matches(row));
  found.forEach(([key, row]) => rows.set(key, { ...row, ...change(row) }));
  return found.length;
}

/** Whether a deadline has passed. */
export function isExpired<T extends { expiresAtMs: number | null }>(
  row: T,
  beforeMs: number,
): row is T & { expiresAtMs: number } {
  return row.expiresAtMs !== null && row.expiresAtMs <= beforeMs;
}

/** The codes of one set. */
export function inSet(userId: string, setId: string): (row: BackupCode) => boolean {
  return (row) => row.userId === userId && row.setId === setId;
}
