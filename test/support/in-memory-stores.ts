import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import { type ExpiredBackupSet, MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import type { SpentEntry, Spending } from '../../libs/mfa/src/domain/usage/usage.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import {
  type DueQuery,
  type DueUser,
  MfaPolicySeenStore,
  type PolicySighting,
} from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import {
  inSet,
  InMemoryMfaState,
  isExpired,
  removeWhere,
  sightingKey,
  updateWhere,
  usageKey,
} from './in-memory-state.js';

/** {@link MfaBackupCodeStore} in memory. */
export class InMemoryBackupCodeStore extends MfaBackupCodeStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async add(codes: readonly BackupCode[]): Promise<void> {
    const ids = new Set([...this.state.backupCodes.keys(), ...codes.map(({ id }) => id)]);
    if (ids.size < this.state.backupCodes.size + codes.length) throw new Error('A backup code of this id exists');
    codes.forEach((code) => this.state.backupCodes.set(code.id, { ...code }));
  }

  override async list(userId: string, setId: string): Promise<BackupCode[]> {
    return [...this.state.backupCodes.values()].filter(inSet(userId, setId)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  override async markUsed(userId: string, id: string, atMs: number): Promise<void> {
    updateWhere(
      this.state.backupCodes,
      (row) => row.userId === userId && row.id === id,
      () => ({ usedAtMs: atMs }),
    );
  }

  override async collectAfter(userId: string, setId: string, expiresAtMs: number | null): Promise<void> {
    updateWhere(this.state.backupCodes, inSet(userId, setId), () => ({ expiresAtMs }));
  }

  override async removeExpired(userId: string, setId: string, beforeMs: number): Promise<void> {
    const codes = await this.list(userId, setId);
    if (codes.some((code) => isExpired(code, beforeMs))) await this.remove(userId, setId);
  }

  override async remove(userId: string, setId: string): Promise<void> {
    removeWhere(this.state.backupCodes, inSet(userId, setId));
    const orphaned = (item: string) => this.state.backupCodes.get(item)?.userId !== userId;
    removeWhere(this.state.usage, (row) => row.userId === userId && row.kind === 'backup_code' && orphaned(row.item));
  }

  override async removeAll(userId: string): Promise<number> {
    const before = this.state.backupCodes.size;
    removeWhere(this.state.backupCodes, (row) => row.userId === userId);
    return before - this.state.backupCodes.size;
  }

  /** The stores in memory count when they read. */
  override async recount(): Promise<void> {}

  override async listExpired(beforeMs: number, limit: number): Promise<ExpiredBackupSet[]> {
    const sets = new Map<string, ExpiredBackupSet>();
    const expired = [...this.state.backupCodes.values()].filter((row) => isExpired(row, beforeMs));
    for (const { userId, setId, expiresAtMs } of expired.sort((a, b) => b.expiresAtMs - a.expiresAtMs)) {
      sets.set(JSON.stringify([userId, setId]), { userId, setId, expiresAtMs });
    }
    return [...sets.values()].sort((a, b) => a.expiresAtMs - b.expiresAtMs).slice(0, limit);
  }
}

/** {@link MfaUsageStore} in memory. */
export class InMemoryUsageStore extends MfaUsageStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async spend({ userId, entries, nowMs, ...expected }: Spending): Promise<boolean> {
    const { securityStamp, backupSetId, recoveryHash } = expected;
    const account = this.state.accounts.get(userId);
    const liveSet = backupSetId === undefined || account?.backupSetId === backupSetId;
    const live = liveSet && (recoveryHash === undefined || account?.recovery?.hash === recoveryHash);
    const keys = new Set(entries.map((entry) => usageKey(userId, entry)));
    const unspent = keys.size === entries.length && [...keys].every((key) => !this.state.usage.has(key));
    if (account?.securityStamp !== securityStamp || !live || !unspent || entries.length === 0) return false;
    entries.forEach((entry) => this.state.usage.set(usageKey(userId, entry), { ...entry, userId, spentAtMs: nowMs }));
    return true;
  }

  override async purge(beforeMs: number, limit: number): Promise<number> {
    const expired = [...this.state.usage.values()].filter((row) => isExpired(row, beforeMs));
    const doomed = new Set(expired.sort((a, b) => a.expiresAtMs - b.expiresAtMs).slice(0, limit));
    return removeWhere(this.state.usage, (row) => doomed.has(row as never));
  }

  override async list(userId: string): Promise<SpentEntry[]> {
    return [...this.state.usage.values()]
      .filter((row) => row.userId === userId)
      .map(({ kind, item, spentAtMs, expiresAtMs }) => ({ kind, item, spentAtMs, expiresAtMs }))
      .sort((a, b) => a.spentAtMs - b.spentAtMs || (a.kind + a.item < b.kind + b.item ? -1 : 1));
  }

  override async removeAll(userId: string): Promise<void> {
    removeWhere(this.state.usage, (row) => row.userId === userId);
  }
}

/** {@link MfaPolicySeenStore} in memory. */
export class InMemoryPolicySeenStore extends MfaPolicySeenStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async firstSeen(userId: string, policyId: string): Promise<number | null> {
    return this.state.policySeen.get(sightingKey(userId, policyId))?.firstSeenAtMs ?? null;
  }

  override async record(userId: string, policyId: string, nowMs: number): Promise<number> {
    const key = sightingKey(userId, policyId);
    const row = this.state.policySeen.get(key) ?? { userId, policyId, firstSeenAtMs: nowMs };
    this.state.policySeen.set(key, row);
    return row.firstSeenAtMs;
  }

  override async list(userId: string): Promise<PolicySighting[]> {
    return [...this.state.policySeen.values()]
      .filter((row) => row.userId === userId)
      .map(({ policyId, firstSeenAtMs }) => ({ policyId, firstSeenAtMs }))
      .sort((a, b) => a.firstSeenAtMs - b.firstSeenAtMs || (a.policyId < b.policyId ? -1 : 1));
  }

  override async removeAll(userId: string): Promise<void> {
    removeWhere(this.state.policySeen, (row) => row.userId === userId);
  }

  override async listDue({ policyId, seenBeforeMs, after, limit, methods }: DueQuery): Promise<DueUser[]> {
    const hasFactor = (userId: string) =>
      this.state.accounts.get(userId)?.activeFactors.some(({ type }) => methods === null || methods.includes(type));
    return [...this.state.policySeen.values()]
      .filter((row) => row.policyId === policyId && row.firstSeenAtMs <= seenBeforeMs && !hasFactor(row.userId))
      .map(({ userId, firstSeenAtMs }) => ({ userId, firstSeenAtMs }))
      .filter((row) => after === null || byFirstSeen(row, after) > 0)
      .sort(byFirstSeen)
      .slice(0, limit);
  }
}

function byFirstSeen(a: DueUser, b: DueUser): number {
  return a.firstSeenAtMs - b.firstSeenAtMs || (a.userId < b.userId ? -1 : Number(a.userId > b.userId));
}
