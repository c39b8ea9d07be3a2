import { Inject, Injectable } from '@nestjs/common';
import { pendingAuthenticator, type AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { isTotpShape } from '../domain/code.js';
import { MfaError } from '../domain/mfa-error.js';
import { spentUntilMs } from '../domain/totp/replay.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import type { MfaFailureReason } from '../events/mfa-event.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { SecretReader } from '../totp/secret-reader.js';
import { AttemptGate } from '../verification/attempt-gate.js';
import { readCode } from '../verification/code-spending.js';
import { BackupCodeIssuing, type IssuedBackupCodes } from './backup-code-issuing.js';

/** Turns the pending authenticator into an active one by its first code. */
@Injectable()
export class AuthenticatorConfirmation {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly usage: MfaUsageStore,
    private readonly gate: AttemptGate,
    private readonly reader: SecretReader,
    private readonly issuing: BackupCodeIssuing,
    private readonly clock: MfaClock,
    private readonly events: MfaEvents,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Spends the code (S16), makes backup codes where there are none, and switches the account over.
   * @returns the new backup codes, or `null` when a set existed
   */
  async confirm(
    userId: string,
    code: string,
  ): Promise<{ codes: string[] | null; remaining: number; authenticator: Authenticator }> {
    const snapshot = await this.accounts.load(userId);
    const pending = snapshot && pendingAuthenticator(snapshot, this.clock.nowMs());
    if (!snapshot || !pending) throw new MfaError('MFA_SETUP_NOT_FOUND');

    await this.spendFirstCode(snapshot, pending, code);
    const issued = snapshot.account.backupSetId === null ? await this.issuing.make(userId) : null;
    const after = await this.activate(snapshot, pending, issued);
    await this.authenticators.confirm(pending, this.clock.nowMs());
    const codes = await this.settleBackupCodes(after, issued);
    await this.settleBudgets(after, codes !== null);
    this.events.emit({ type: 'mfa.verification.succeeded', userId, factor: 'confirmation' });

    return { codes, remaining: codes?.length ?? after.backupCodesRemaining, authenticator: pending };
  }

  private async spendFirstCode({ account }: AccountSnapshot, pending: Authenticator, code: string): Promise<void> {
    const { userId, epoch } = account;
    const normalised = readCode(code);
    if (!isTotpShape(normalised, pending.digits)) throw this.reject(userId, 'malformed');
    await this.gate.reserve(account, 'confirmation');
    const nowMs = this.clock.nowMs();
    const { step, skewSteps } = this.reader.evaluate(pending, normalised, nowMs);
    if (step === null) throw this.reject(userId, skewSteps === null ? 'wrong_code' : 'clock_skew', skewSteps);

    const { window } = this.options.totp;
    const expiresAtMs = spentUntilMs({ step, periodSeconds: pending.periodSeconds, window });
    const entries = [{ kind: 'totp', item: `${pending.id}:${step}`, expiresAtMs } as const];
    if ((await this.usage.spend({ userId, epoch, entries, nowMs })) !== true) {
      // The code was right, so it was no guess (S70).
      await this.gate.release(userId, 'confirmation');
      throw this.reject(userId, 'already_spent');
    }
  }

  /** The commit point: from here on the authenticator gates, and its backup codes count. */
  private async activate(
    seen: AccountSnapshot,
    pending: Authenticator,
    issued: IssuedBackupCodes | null,
  ): Promise<AccountSnapshot> {
    const { after } = await changeAccount(this.accounts, seen.account.userId, async ({ account }) => {
      // Confirmed by a parallel request, or disabled meanwhile: a lost race (S17), and its code was no guess (S70).
      if (account.pendingId !== pending.id || account.epoch !== seen.account.epoch) {
        await this.gate.release(account.userId, 'confirmation');
        throw new MfaError('MFA_CODE_REJECTED');
      }
      return {
        pendingId: null,
        activeIds: [...account.activeIds, pending.id],
        backupSetId: account.backupSetId ?? issued?.setId ?? null,
      };
    });
    return after;
  }

  private async settleBackupCodes(
    { account }: AccountSnapshot,
    issued: IssuedBackupCodes | null,
  ): Promise<string[] | null> {
    if (!issued) return null;
    if (account.backupSetId !== issued.setId) {
      await this.issuing.discard(account.userId, issued.setId);
      return null;
    }
    await this.issuing.keep(account.userId, issued.setId);
    return issued.codes;
  }

  private async settleBudgets({ account }: AccountSnapshot, newCodes: boolean): Promise<void> {
    await this.gate.settle(account.userId, 'confirmation');
    // Guesses at earlier secrets say nothing about the only one that now counts; and re-enrolling is the way out of
    // a factor that too many failures disabled (S54). The daily cap stays (S51).
    const disabled = account.budgets.totp.failures >= this.options.attempts.disableAfter;
    if (account.activeIds.length === 1 || disabled) await this.gate.endFailures(account.userId, 'totp');
    if (newCodes) await this.gate.endFailures(account.userId, 'backup_code');
  }

  private reject(userId: string, failure: MfaFailureReason, skewSteps: number | null = null): MfaError {
    const skew = skewSteps === null ? {} : { skewSteps };
    this.events.emit({ type: 'mfa.verification.failed', userId, factor: 'confirmation', failure, ...skew });
    return new MfaError('MFA_CODE_REJECTED');
  }
}
