import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { loadEnabled } from '../domain/accounts/load-enabled.js';
import { MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import { toUserId } from '../host/user-id.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { AttemptGate } from '../verification/attempt-gate.js';
import { BackupCodeIssuing } from './backup-code-issuing.js';
import { FreshProof } from './fresh-proof.js';

/** The owner's set of backup codes. */
@Injectable()
@ThrowsMfaException()
export class MfaBackupCodeService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly proof: FreshProof,
    private readonly issuing: BackupCodeIssuing,
    private readonly gate: AttemptGate,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Replaces the set; the old one dies at once, also under parallel uses (S33).
   * @returns `backupCodes`: the new codes, to be shown once (S39); `session`: what `MfaHost.revokeSessions` returned
   * @throws MfaException `MFA_NOT_ENABLED`, `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`
   */
  async regenerate(
    userId: string | number,
    offered: { code?: string; sessionId?: string; context?: ExecutionContext },
  ): Promise<{ backupCodes: string[]; session?: unknown }> {
    const snapshot = await loadEnabled(this.accounts, toUserId(userId));
    const { userId: id, epoch } = snapshot.account;
    await this.proof.byCode(snapshot, offered);

    const issued = await this.issuing.make(id);
    const { before } = await changeAccount(this.accounts, id, async ({ account }) => {
      // Disabled meanwhile, or an authenticator removed: a lost race.
      if (account.epoch !== epoch) throw new MfaError('MFA_CODE_REJECTED');
      await this.issuing.lease(id, account.backupSetId);
      return { backupSetId: issued.setId };
    });
    await this.issuing.keep(id, issued.setId);
    // Guesses at the old codes say nothing about the new ones, nor may they keep them disabled (S54).
    await this.gate.endFailures(id, 'backup_code');
    await this.issuing.discard(id, before.account.backupSetId);
    const session = await this.events.changed(
      { type: 'mfa.backup_codes.regenerated', userId: id },
      { enabled: true, sessionId: offered.sessionId, context: offered.context },
    );
    return { backupCodes: issued.codes, ...(session === undefined ? {} : { session }) };
  }

  /** How many unused codes are left, and whether that is few. */
  async remaining(userId: string | number): Promise<{ remaining: number; low: boolean }> {
    const id = toUserId(userId);
    const snapshot = id === null ? null : await this.accounts.load(id);
    const remaining = snapshot && snapshot.account.activeIds.length > 0 ? snapshot.backupCodesRemaining : 0;
    const low =
      snapshot !== null && snapshot.account.activeIds.length > 0 && remaining <= this.options.backupCodes.lowAt;
    return { remaining, low };
  }
}
