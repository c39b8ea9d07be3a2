import type {
  AccountSnapshot,
  CredentialRows,
  MfaAccount,
  VerificationSnapshot,
} from '../../libs/mfa/src/domain/accounts/account.js';
import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import {
  type AccountChange,
  type AttemptReservation,
  type LoginSnapshot,
  type RowsClaim,
  MfaAccountStore,
} from '../../libs/mfa/src/domain/accounts/account.store.js';
import {
  EMPTY_BUDGET,
  endFailures,
  releaseBudget,
  reserveBudget,
  settleBudget,
} from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import type { AttemptBudget, AttemptFactor, AttemptPolicy } from '../../libs/mfa/src/domain/attempts/attempt-policy.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { inSet, InMemoryMfaState, sightingKey, updateWhere, usageKey } from './in-memory-state.js';

const NO_BUDGETS: MfaAccount['budgets'] = {
  totp: EMPTY_BUDGET,
  backup_code: EMPTY_BUDGET,
  password: EMPTY_BUDGET,
  confirmation: EMPTY_BUDGET,
  other: EMPTY_BUDGET,
  recovery_code: EMPTY_BUDGET,
};

/** {@link MfaAccountStore} in memory. Every method acts in one turn of the event loop, so it is atomic. */
export class InMemoryAccountStore extends MfaAccountStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async securityStampOf(userId: string): Promise<number | null> {
    return this.state.accounts.get(userId)?.securityStamp ?? null;
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

  override async loadForLogin(userId: string, policyId?: string, deviceLookupHash?: string): Promise<LoginSnapshot> {
    const lowerCaseId = userId.toLowerCase();
    const otherCase = lowerCaseId !== userId && this.state.accounts.has(lowerCaseId);
    const snapshot = await this.load(userId);
    const seen = snapshot && policyId !== undefined && this.state.policySeen.get(sightingKey(userId, policyId));
    const device = [...this.state.devices.values()].find(
      (row) => snapshot && row.userId === userId && row.lookupHash === deviceLookupHash,
    );
    return { snapshot, otherCase, policySeenAtMs: seen ? seen.firstSeenAtMs : null, device: device ?? null };
  }

  override async loadMany(userIds: readonly string[]): Promise<AccountSnapshot[]> {
    const snapshots = await Promise.all([...new Set(userIds)].map((userId) => this.load(userId)));
    return snapshots.filter((snapshot) => snapshot !== null);
  }

  override async loadWith(
    rows: CredentialRows,
    userId: string,
    { tokenId, credentialHash }: RowsClaim = {},
  ): Promise<VerificationSnapshot | null> {
    const snapshot = await this.load(userId, tokenId);
    if (!snapshot) return null;
    const none = { ...snapshot, authenticators: [], backupCodes: [], passkeys: [] };
    if (rows === 'authenticators') return { ...none, authenticators: snapshot.authenticators };
    if (rows === 'backup codes') return { ...none, backupCodes: this.liveCodes(snapshot.account) };
    if (rows === 'none') return none;
    const passkeys = [...this.state.passkeys.values()].filter(
      (row) => row.userId === userId && (credentialHash === undefined || row.credentialHash === credentialHash),
    );
    return { ...none, passkeys: passkeys.sort((a, b) => (a.id < b.id ? -1 : 1)) };
  }

  private liveCodes({ userId, backupSetId }: MfaAccount): BackupCode[] {
    const inLiveSet = backupSetId === null ? () => false : inSet(userId, backupSetId);
    return [...this.state.backupCodes.values()].filter(inLiveSet).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  override async open(userId: string, nowMs: number): Promise<void> {
    if (this.state.accounts.has(userId)) return;
    const factors = { activeFactors: [], pendingId: null, backupSetId: null, userHandle: null };
    const nothing = { ...factors, mustEnrollSinceMs: null, recovery: null, budgets: NO_BUDGETS };
    this.state.accounts.set(userId, { userId, securityStamp: nowMs, rowVersion: nowMs, ...nothing });
  }

  override async commit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean> {
    const current = this.state.accounts.get(userId)?.rowVersion === rowVersion;
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    if (current) this.update(userId, () => ({ ...given, rowVersion: rowVersion + 1 }));
    return current;
  }

  override async tryCommit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean> {
    return this.commit(userId, rowVersion, change);
  }

  override async reserve({ userId, securityStamp, factor, policy, nowMs }: AttemptReservation): Promise<boolean> {
    const account = this.state.accounts.get(userId);
    if (account?.securityStamp !== securityStamp) return false;
    const budget = reserveBudget(account.budgets[factor], policy, nowMs);
    if (budget) this.setBudget(account, factor, budget);
    return budget !== null;
  }

  override async settle(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const account = this.state.accounts.get(userId);
    if (account) this.setBudget(account, factor, settleBudget(account.budgets[factor], policy));
    await this.endRecovery(userId);
  }

  override async release(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    const account = this.state.accounts.get(userId);
    if (account) this.setBudget(account, factor, releaseBudget(account.budgets[factor], policy));
  }

  override async endFailures(userId: string, factor: AttemptFactor): Promise<void> {
    const account = this.state.accounts.get(userId);
    if (account) this.setBudget(account, factor, endFailures(account.budgets[factor]));
  }

  override async endRecovery(userId: string): Promise<void> {
    this.update(userId, () => ({ recovery: null }));
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

  override async claimUserHandle(userId: string, handle: string): Promise<string> {
    this.update(userId, ({ userHandle }) => ({ userHandle: userHandle ?? handle }));
    const standing = this.state.accounts.get(userId)?.userHandle;
    if (standing == null) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    return standing;
  }

  override async invalidate(userId: string): Promise<void> {
    this.update(userId, ({ securityStamp, rowVersion }) => ({
      securityStamp: securityStamp + 1,
      rowVersion: rowVersion + 1,
      pendingId: null,
    }));
  }

  override async remove(userId: string, rowVersion?: number): Promise<boolean> {
    if (rowVersion !== undefined && this.state.accounts.get(userId)?.rowVersion !== rowVersion) return false;
    this.state.accounts.delete(userId);
    return true;
  }

  private setBudget({ userId, budgets }: MfaAccount, factor: AttemptFactor, budget: AttemptBudget): void {
    this.update(userId, () => ({ budgets: { ...budgets, [factor]: budget } }));
  }

  private update(userId: string, change: (account: MfaAccount) => Partial<MfaAccount>): void {
    updateWhere(this.state.accounts, (account) => account.userId === userId, change);
  }
}
