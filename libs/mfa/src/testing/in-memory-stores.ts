import type { AccountSnapshot, MfaAccount } from '../domain/accounts/account.js';
import { type AccountChange, type AttemptReservation, MfaAccountStore } from '../domain/accounts/account.store.js';
import {
  EMPTY_BUDGET,
  refundBudget,
  releaseBudget,
  reserveBudget,
  settleBudget,
} from '../domain/attempts/attempt-budget.js';
import type { AttemptBudget, AttemptFactor, AttemptPolicy } from '../domain/attempts/attempt-policy.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { type ExpiredAuthenticator, MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import { type ExpiredBackupSet, MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import type { SpentEntry, Spending } from '../domain/usage/usage.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { InMemoryMfaState, isExpired, removeWhere, updateWhere, usageKey } from './in-memory-state.js';

const NO_BUDGETS: MfaAccount['budgets'] = {
  totp: EMPTY_BUDGET,
  backup_code: EMPTY_BUDGET,
  password: EMPTY_BUDGET,
  confirmation: EMPTY_BUDGET,
};

/** {@link MfaAccountStore} in memory. Every method acts in one turn of the event loop, so it is atomic. */
export class InMemoryAccountStore extends MfaAccountStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async load(userId: string, tokenId?: string): Promise<AccountSnapshot | null> {
    const account = this.state.accounts.get(userId);
    if (!account) return null;
    const codes = [...this.state.backupCodes.values()].filter((code) => code.userId === userId);
    return {
      account,
      authenticators: [...this.state.authenticators.values()].filter((row) => row.userId === userId),
      backupCodesRemaining: codes.filter(({ id, setId }) => {
        const spent = this.state.usage.has(usageKey(userId, { kind: 'backup_code', item: id }));
        return setId === account.backupSetId && !spent;
      }).length,
      tokenSpent: tokenId !== undefined && this.state.usage.has(usageKey(userId, { kind: 'token', item: tokenId })),
    };
  }

  override async open(userId: string, nowMs: number): Promise<void> {
    if (this.state.accounts.has(userId)) return;
    const nothing = { activeIds: [], pendingId: null, backupSetId: null, budgets: NO_BUDGETS };
    this.state.accounts.set(userId, { userId, epoch: nowMs, version: nowMs, ...nothing });
  }

  override async commit(userId: string, version: number, change: AccountChange): Promise<boolean> {
    const current = this.state.accounts.get(userId)?.version === version;
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    if (current) this.update(userId, () => ({ ...given, version: version + 1 }));
    return current;
  }

  override async reserve({ userId, epoch, factor, policy, nowMs }: AttemptReservation): Promise<boolean> {
    const account = this.state.accounts.get(userId);
    if (account?.epoch !== epoch) return false;
    const budget = reserveBudget(account.budgets[factor], policy, nowMs);
    if (budget) this.setBudget(account, factor, budget);
    return budget !== null;
  }

  override async settle(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const account = this.state.accounts.get(userId);
    if (account) this.setBudget(account, factor, settleBudget(account.budgets[factor], policy));
  }

  override async refund(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const account = this.state.accounts.get(userId);
    if (account) this.setBudget(account, factor, refundBudget(account.budgets[factor], policy));
  }

  override async release(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const account = this.state.accounts.get(userId);
    if (account) this.setBudget(account, factor, releaseBudget(account.budgets[factor], policy));
  }

  override async endLocks(userId: string): Promise<void> {
    this.update(userId, ({ budgets }) => {
      const open = Object.entries(budgets).map(([factor, budget]) => [factor, { ...budget, lockedUntilMs: 0 }]);
      return { budgets: Object.fromEntries(open) as MfaAccount['budgets'] };
    });
  }

  override async clearBudgets(userId: string): Promise<void> {
    this.update(userId, () => ({ budgets: NO_BUDGETS }));
  }

  override async revokeTokens(userId: string): Promise<void> {
    this.update(userId, ({ epoch, version }) => ({ epoch: epoch + 1, version: version + 1, pendingId: null }));
  }

  override async remove(userId: string): Promise<void> {
    this.state.accounts.delete(userId);
  }

  private setBudget({ userId, budgets }: MfaAccount, factor: AttemptFactor, budget: AttemptBudget): void {
    this.update(userId, () => ({ budgets: { ...budgets, [factor]: budget } }));
  }

  private update(userId: string, change: (account: MfaAccount) => Partial<MfaAccount>): void {
    updateWhere(this.state.accounts, (account) => account.userId === userId, change);
  }
}

/** {@link MfaAuthenticatorStore} in memory. */
export class InMemoryAuthenticatorStore extends MfaAuthenticatorStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async add(authenticator: Authenticator): Promise<void> {
    if (this.state.authenticators.has(authenticator.id)) throw new Error('An authenticator of this id exists');
    this.state.authenticators.set(authenticator.id, { ...authenticator });
  }

  override async rename(userId: string, id: string, name: string): Promise<void> {
    this.update(userId, [id], () => ({ name }));
  }

  override async confirm(
    { userId, id, expiresAtMs }: Pick<Authenticator, 'userId' | 'id' | 'expiresAtMs'>,
    atMs: number,
  ): Promise<void> {
    const current = this.state.authenticators.get(id)?.expiresAtMs === expiresAtMs;
    if (current) this.update(userId, [id], () => ({ confirmedAtMs: atMs, expiresAtMs: null }));
  }

  override async touch(userId: string, id: string, atMs: number): Promise<void> {
    this.update(userId, [id], ({ lastUsedAtMs }) => ({ lastUsedAtMs: Math.max(lastUsedAtMs ?? atMs, atMs) }));
  }

  override async expire(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void> {
    this.update(userId, ids, () => ({ expiresAtMs }));
  }

  override async remove(userId: string, ids: readonly string[]): Promise<void> {
    removeWhere(this.state.authenticators, (row) => row.userId === userId && ids.includes(row.id));
  }

  override async removeAll(userId: string): Promise<void> {
    removeWhere(this.state.authenticators, (row) => row.userId === userId);
  }

  override async listExpired(beforeMs: number, limit: number): Promise<ExpiredAuthenticator[]> {
    return [...this.state.authenticators.values()]
      .filter((row) => isExpired(row, beforeMs))
      .map(({ id, userId, expiresAtMs }) => ({ id, userId, expiresAtMs }))
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
      .slice(0, limit);
  }

  private update(
    userId: string,
    ids: readonly string[],
    change: (row: Authenticator) => Partial<Authenticator>,
  ): number {
    return updateWhere(this.state.authenticators, (row) => row.userId === userId && ids.includes(row.id), change);
  }
}

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

  override async expire(userId: string, setId: string, expiresAtMs: number | null): Promise<void> {
    updateWhere(this.state.backupCodes, inSet(userId, setId), () => ({ expiresAtMs }));
  }

  override async remove(userId: string, setId: string): Promise<void> {
    removeWhere(this.state.backupCodes, inSet(userId, setId));
    const orphaned = (item: string) => this.state.backupCodes.get(item)?.userId !== userId;
    removeWhere(this.state.usage, (row) => row.userId === userId && row.kind === 'backup_code' && orphaned(row.item));
  }

  override async removeAll(userId: string): Promise<void> {
    removeWhere(this.state.backupCodes, (row) => row.userId === userId);
  }

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

  override async spend({ userId, epoch, backupSetId, entries, nowMs }: Spending): Promise<boolean> {
    const account = this.state.accounts.get(userId);
    const live = backupSetId === undefined || account?.backupSetId === backupSetId;
    const keys = new Set(entries.map((entry) => usageKey(userId, entry)));
    const unspent = keys.size === entries.length && [...keys].every((key) => !this.state.usage.has(key));
    if (account?.epoch !== epoch || !live || !unspent || entries.length === 0) return false;
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

function inSet(userId: string, setId: string): (row: BackupCode) => boolean {
  return (row) => row.userId === userId && row.setId === setId;
}
