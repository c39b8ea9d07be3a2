import type { VerificationSnapshot } from '../../domain/accounts/account.js';
import type { MfaAccountStore } from '../../domain/accounts/account.store.js';
import type { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import type { MfaBackupCodeStore } from '../../domain/backup-codes/backup-code.store.js';
import type { MfaPasskeyStore } from '../../domain/passkeys/passkey.store.js';
import type { MfaUsageStore } from '../../domain/usage/usage.store.js';
import { mayAttempt } from '../../domain/verification/attempt-rules.js';
import {
  type ReservedAttempt,
  MfaVerificationStore,
  type VerificationAttempt,
  type VerificationCompletion,
} from '../../domain/verification/verification.store.js';

/** The stores that the steps are taken in. */
export interface VerificationStores {
  accounts: MfaAccountStore;
  authenticators: MfaAuthenticatorStore;
  backupCodes: MfaBackupCodeStore;
  passkeys: MfaPasskeyStore;
  usage: MfaUsageStore;
}

/**
 * {@link MfaVerificationStore} over the other stores, one statement after another: two to begin, three to complete.
 * Stopping between any two statements is safe: only spending accepts, and everything before it only counts.
 */
export class StepwiseVerificationStore extends MfaVerificationStore {
  constructor(private readonly stores: VerificationStores) {
    super();
  }

  override async reserveAttempt(attempt: VerificationAttempt): Promise<ReservedAttempt> {
    const { userId, budget, policy, nowMs } = attempt;
    const snapshot = await this.load(attempt);
    if (!snapshot || !mayAttempt(snapshot, attempt)) return { snapshot, reserved: false };
    if (budget === null) return { snapshot, reserved: true };
    const { securityStamp } = snapshot.account;
    const reserved = await this.stores.accounts.reserve({ userId, securityStamp, factor: budget, policy, nowMs });
    return { snapshot, reserved: reserved === true };
  }

  override async spendAndSettle(completion: VerificationCompletion): Promise<boolean> {
    const whenKnown = (isSpent: boolean) => (isSpent ? this.settle(completion) : this.release(completion));
    return (await this.stores.usage.spend(completion, whenKnown)) === true && this.settle(completion);
  }

  /** Settles the budget and records the use. Returns `false` as {@link recordUse} does. */
  private async settle(completion: VerificationCompletion): Promise<boolean> {
    const { userId, budget, policy, endsRecovery } = completion;
    if (budget !== null) await this.stores.accounts.settle(userId, budget, policy);
    else if (endsRecovery) await this.stores.accounts.endRecovery(userId);
    return this.recordUse(completion);
  }

  private async release({ userId, budget, policy }: VerificationCompletion): Promise<void> {
    if (budget !== null) await this.stores.accounts.release(userId, budget, policy);
  }

  private load({ userId, token, rows, credentialHash }: VerificationAttempt): Promise<VerificationSnapshot | null> {
    return this.stores.accounts.loadWith(rows, userId, { tokenId: token?.item, credentialHash });
  }

  /** Returns `false` only where another use of the passkey has changed its counter first. */
  // S83
  private async recordUse({ userId, use, nowMs }: VerificationCompletion): Promise<boolean> {
    const { authenticators, backupCodes, passkeys } = this.stores;
    if (use?.rows === 'passkeys') return (await passkeys.recordUse({ userId, nowMs, ...use })) === true;
    if (use?.rows === 'authenticators') await authenticators.touch(userId, use.id, nowMs);
    if (use?.rows === 'backup codes') await backupCodes.markUsed(userId, use.id, nowMs);
    return true;
  }
}
