import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { type AccountSnapshot, type MfaAccount, isEnabled, toUserId } from '../../domain/accounts/account.js';
import { MfaAccountStore } from '../../domain/accounts/account.store.js';
import { changeAccount } from '../../domain/accounts/change-account.js';
import { loadEnabled } from '../../domain/accounts/load-enabled.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MFA_FACTORS, type Factor } from '../../domain/factors/factor.js';
import { MfaError } from '../../domain/mfa-error.js';
import { ThrowsMfaException } from '../../errors/throws-mfa-exception.js';
import { MfaEvents, type PreparedEvent } from '../../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { AttemptLimiter } from '../../verification/attempt-limiter.js';
import { BackupCodeIssuing, type IssuedBackupCodes } from './backup-code-issuing.js';
import {
  ReauthenticationCheck,
  type MfaReauthenticationProof,
  type ReauthenticationRequest,
} from '../../enrollment/reauthentication-check.js';
import type { MfaPrincipal } from '../../host/mfa-host.js';
import { sessionOf, type SessionOf } from '../../host/session-binding.js';
import { requireAsProved } from '../../enrollment/change-protection.js';
import { isLostRace, tidyUp } from '../../events/tidy-up.js';

/**
 * Replaces the backup codes of a user. The first set is created by the first confirmation.
 * @example
 * const { backupCodes } = await this.backupCodes.regenerate(principal.userId, { code });
 */
@Injectable()
@ThrowsMfaException()
export class MfaBackupCodeService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly proof: ReauthenticationCheck,
    private readonly issuing: BackupCodeIssuing,
    private readonly limiter: AttemptLimiter,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Replaces the set of backup codes. From then on the old codes are refused, also in parallel requests. All mfa_tokens
   * and a pending setup of the user become invalid.
   * @param user the principal. With an id alone, a passkey is refused, because its response is bound to a session
   * @returns `backupCodes`: the new codes, to show once; `session`: the result of `MfaHost.revokeSessions`
   * @throws MfaException `MFA_NOT_ENABLED`, `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`
   */
  // S33, S39
  async regenerate(
    user: MfaPrincipal | string | number,
    offered: MfaReauthenticationProof & { sessionId?: string | null | undefined },
    context?: ExecutionContext,
  ): Promise<{ backupCodes: string[]; session?: unknown }> {
    const { sessionId: given, ...proof } = offered;
    const session = sessionOf(user, given);
    const snapshot = await loadEnabled(this.accounts, session.userId);
    const { userId: id } = snapshot.account;
    const event = this.events.prepare({ type: 'mfa.backup_codes.regenerated', userId: id }, context);
    const { codes, before, setId } = await this.replace(snapshot, session, { ...proof, context }, event);

    // The old codes are dead by now, so nothing may throw before the new ones are shown (S39).
    const { sessionId } = session;
    const replaced = await this.events.changed(event, { enabled: true, sessionId, context });
    await tidyUp(
      () => this.issuing.keep(id, setId),
      // Guesses at the old codes say nothing about the new ones, nor may they keep them disabled (S54).
      () => this.limiter.endFailures(id, 'backup_code'),
      () => this.issuing.discard(id, before.backupSetId),
      async () => before.pendingId !== null && this.authenticators.remove(id, [before.pendingId]),
    );
    return { backupCodes: codes, ...(replaced === undefined ? {} : { session: replaced }) };
  }

  /** Makes the new set, spends the proof, and switches the account over. A set that lost its race is removed. */
  private async replace(
    proved: AccountSnapshot,
    session: SessionOf,
    offered: ReauthenticationRequest,
    event: PreparedEvent,
  ) {
    const { userId } = proved.account;
    const made: IssuedBackupCodes[] = [];
    try {
      await this.proof.bySecondFactor(proved, session, offered, async (entry) => {
        const issued = await this.issuing.makeFor(userId, entry);
        if (issued) made.push(issued);
      });
      return await this.switchOver(proved, made[0], event);
    } catch (error) {
      if (isLostRace(error))
        await tidyUp(
          ...made.map(
            ({ setId }) =>
              () =>
                this.issuing.discard(userId, setId),
          ),
        );
      throw error;
    }
  }

  /** The commit point. */
  private async switchOver(
    proved: AccountSnapshot,
    issued: IssuedBackupCodes | undefined,
    { lastChange }: PreparedEvent,
  ): Promise<IssuedBackupCodes & { before: MfaAccount }> {
    const { userId, securityStamp } = proved.account;
    // Codes are left out only for a proof that was spent before, and such a proof was refused.
    if (!issued) throw new MfaError('MFA_CODE_REJECTED');
    const decide = async (now: AccountSnapshot) => {
      const { account } = now;
      // Disabled meanwhile, regenerated, or an authenticator removed: a lost race.
      requireAsProved(now, proved, this.factors);
      this.issuing.requireHeld(issued);
      await this.issuing.startGrace(userId, account.backupSetId);
      return { securityStamp: securityStamp + 1, backupSetId: issued.setId, lastChange };
    };
    const { before } = await changeAccount(this.accounts, userId, decide, 'MFA_CODE_REJECTED');
    return { ...issued, before: before.account };
  }

  /** How many unused codes are left, and whether that is few. */
  async remaining(userId: string | number): Promise<{ remaining: number; low: boolean }> {
    const id = toUserId(userId);
    const snapshot = id === null ? null : await this.accounts.load(id);
    const remaining = isEnabled(snapshot) ? snapshot.backupCodesRemaining : 0;
    const low = isEnabled(snapshot) && remaining <= this.options.backupCodes.lowAt;
    return { remaining, low };
  }
}
