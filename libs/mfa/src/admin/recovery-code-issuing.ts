import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { openAccount } from '../domain/accounts/open-account.js';
import { MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { generateRecoveryCode } from '../domain/backup-codes/generate.js';
import { MfaClock } from '../domain/clock.js';
import { normaliseCode } from '../domain/code.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import { RECOVERY_LIFETIME_MS, recoveryHash } from '../domain/recovery/recovery-code.js';
import { MfaEvents } from '../events/mfa-events.js';
import { tidyUp } from '../events/tidy-up.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import type { AttributedAction } from './admin-action.js';
import { requireOwnAccount } from './own-account.js';

/** A recovery code, to hand over to the user once. */
export interface MfaRecoveryCode {
  /** `XXXX-XXXX-XXXX-XXXX`, 80 random bits. Only its hash is stored. */
  code: string;
  expiresAt: Date;
}

/** Issues recovery codes. */
@Injectable()
export class RecoveryCodeIssuing {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly moves: MfaUserMoveStore,
    private readonly events: MfaEvents,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** @throws MfaError as `MfaAdminService.issueRecoveryCode` does */
  // S104
  async issue(
    userId: string,
    { by, context }: { by: AttributedAction; context: ExecutionContext | undefined },
  ): Promise<MfaRecoveryCode> {
    if (by.actor.id === userId && by.actor.type === 'admin') {
      throw new MfaError('MFA_BAD_REQUEST', {
        message: ['an administrator cannot issue a recovery code for their own account'],
      });
    }
    const nowMs = this.clock.nowMs();
    await requireOwnAccount(this.moves, userId);
    await openAccount(this.accounts, userId, nowMs);
    const code = generateRecoveryCode(this.random);
    const expiresAtMs = nowMs + RECOVERY_LIFETIME_MS;
    const hash = recoveryHash(userId, normaliseCode(code), this.options.keyRing.newest);
    const event = this.events.prepare({ type: 'mfa.recovery_code.issued', userId, ...by }, context);
    const { lastChange } = event;
    await changeAccount(this.accounts, userId, () => ({ recovery: { hash, expiresAtMs }, lastChange }), 'MFA_BUSY');
    // Guesses at an earlier code do not lock this one. The daily cap stays (S51).
    await tidyUp(() => this.accounts.endFailures(userId, 'recovery_code'));
    this.events.committed(event);
    return { code, expiresAt: new Date(expiresAtMs) };
  }
}
