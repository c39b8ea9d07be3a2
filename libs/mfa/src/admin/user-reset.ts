import { type ExecutionContext, Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { openAccount } from '../domain/accounts/open-account.js';
import { MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { AuthenticatorRemoval } from '../enrollment/authenticator-removal.js';
import { MfaEvents } from '../events/mfa-events.js';
import { tidyUp } from '../events/tidy-up.js';
import { LoginPolicies } from '../policy/login-policies.js';
import type { AttributedAction } from './admin-action.js';
import { requireOwnAccount } from './own-account.js';

/** Who resets the factors of a user, in which request, and what follows. */
interface Reset {
  by: AttributedAction;
  /** Whether the next login must enroll a new factor. */
  mustEnroll: boolean;
  context: ExecutionContext | undefined;
}

/** Removes every factor of a user. */
@Injectable()
export class UserReset {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly moves: MfaUserMoveStore,
    private readonly removal: AuthenticatorRemoval,
    private readonly policies: LoginPolicies,
    private readonly events: MfaEvents,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Without `mustEnroll`, a user without an account is left alone.
   * @throws MfaError as `MfaAdminService.reset` does
   */
  // S102
  async run(userId: string, { by, mustEnroll, context }: Reset): Promise<void> {
    await requireOwnAccount(this.moves, userId);
    if (mustEnroll) {
      this.requireEnrollmentInLogin();
      await openAccount(this.accounts, userId, this.clock.nowMs());
    } else if (!(await this.accounts.load(userId))) return;
    const change = mustEnroll ? { mustEnrollSinceMs: this.clock.nowMs() } : {};
    const event = this.events.prepare({ type: 'mfa.reset', userId, ...by }, context);
    const removal = await this.removal.all(userId, event, { change }).catch(async (error: unknown) => {
      // An account that was purged in the meantime: without a new row, the next login would enroll nothing.
      if (mustEnroll || (await this.accounts.load(userId)) !== null) throw error;
      return null;
    });
    if (!removal) return;
    // No context: it has the session of the administrator, and every session of the user must end.
    await this.events.changed(event, { enabled: false });
    await removal.tidyUp();
    await tidyUp(() => this.accounts.clearBudgets(userId));
  }

  private requireEnrollmentInLogin(): void {
    if (this.policies.canEnrollInLogin) return;
    throw new MfaError('MFA_MISCONFIGURED', {
      message:
        'MfaAdminService.reset: after a reset the user must enroll within a login. Implement `MfaHost.authorizeEnrollment`, or set option `enrollment.allowPasswordOnly: true`, or give `requireEnrollment: false`',
    });
  }
}
