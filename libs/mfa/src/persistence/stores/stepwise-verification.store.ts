import type { VerificationSnapshot } from '../../domain/accounts/account.js';
import type { MfaAccountStore } from '../../domain/accounts/account.store.js';
import type { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import type { MfaBackupCodeStore } from '../../domain/backup-codes/backup-code.store.js';
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
    const { userId, factor, policy, nowMs } = attempt;
    const snapshot = await this.load(attempt);
    if (!snapshot || !mayAttempt(snapshot, attempt)) return { snapshot, reserved: false };
    const { securityStamp } = snapshot.account;
    const reserved = await this.stores.accounts.reserve({ userId, securityStamp, factor, policy, nowMs });
    return { snapshot, reserved: reserved === true };
  }

  override async spendAndSettle(completion: VerificationCompletion): Promise<boolean> {
    const { userId, factor, policy } = completion;
    if ((await this.stores.usage.spend(completion)) !== true) return false;
    await this.stores.accounts.settle(userId, factor, policy);
    await this.noteUse(completion);
    return true;
  }

  private async load({ userId, token, factor }: VerificationAttempt): Promise<VerificationSnapshot | null> {
    const { accounts } = this.stores;
    const tokenId = token?.item;
    if (factor === 'backup_code') return accounts.loadWithBackupCodes(userId, tokenId);
    const snapshot = await accounts.load(userId, tokenId);
    return snapshot && { ...snapshot, backupCodes: [], passkey: null };
  }

  private noteUse({ userId, factor, credentialId, nowMs }: VerificationCompletion): Promise<void> {
    const { authenticators, backupCodes } = this.stores;
    return factor === 'totp'
      ? authenticators.touch(userId, credentialId, nowMs)
      : backupCodes.markUsed(userId, credentialId, nowMs);
  }
}
