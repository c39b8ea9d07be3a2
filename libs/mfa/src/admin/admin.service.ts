import { isEnabled, requireUserId } from '../domain/accounts/account.js';
import { Inject, Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { openAccount } from '../domain/accounts/open-account.js';
import { generateRecoveryCode } from '../domain/backup-codes/generate.js';
import { MfaClock } from '../domain/clock.js';
import { normaliseCode } from '../domain/code.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import { RECOVERY_LIFETIME_MS, recoveryHash } from '../domain/recovery/recovery-code.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaPasskeyStore } from '../domain/passkeys/passkey.store.js';
import { MfaPolicySeenStore } from '../domain/policy/policy-seen.store.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { AuthenticatorRemoval } from '../enrollment/authenticator-removal.js';
import { tidyUp } from '../events/tidy-up.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { LoginPolicies } from '../policy/login-policies.js';
import { type MfaAdminAction, readAction } from './admin-action.js';
import { type MfaUserExport, userExport } from './user-export.js';

/** Who resets the factors of a user, and what follows. */
export interface MfaResetOptions extends MfaAdminAction {
  /** Whether the next login must enroll a new factor. With `false` it requires no second factor. @default true */
  requireEnrollment?: boolean | null | undefined;
}

/** A recovery code, to hand over to the user once. */
export interface MfaRecoveryCode {
  /** `XXXX-XXXX-XXXX-XXXX`, 80 random bits. Only its hash is stored. */
  code: string;
  expiresAt: Date;
}

/**
 * Actions of administrators and of the host's account management: unlock, invalidate, reset, recovery codes, export, purge. No method
 * requires a proof, so authorise the caller first. A user without MFA data is not an error.
 * @example
 * // A support agent has checked the identity of a user who lost the phone:
 * await this.mfaAdmin.reset(user.id, { actor: { userId: agent.id }, reason: 'case 4711: lost phone' });
 */
@Injectable()
@ThrowsMfaException()
export class MfaAdminService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly passkeys: MfaPasskeyStore,
    private readonly usage: MfaUsageStore,
    private readonly policiesSeen: MfaPolicySeenStore,
    private readonly removal: AuthenticatorRemoval,
    private readonly policies: LoginPolicies,
    private readonly events: MfaEvents,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Ends every lock of the user and sets all failure counters to 0.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async unlock(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.clearBudgets(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /**
   * Makes all mfa_tokens and pending setups of the user invalid. Existing authenticators stay.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  // S43
  async invalidate(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.invalidate(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
  }

  /**
   * Call it after the user's password was changed or reset. It makes all mfa_tokens and pending setups of the user
   * invalid, and ends locks. Failure counters and daily caps stay: an attacker who can reset the password must not get
   * more guesses.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  // S43, S51
  async passwordChanged(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    await this.accounts.invalidate(id);
    this.events.emit({ type: 'mfa.invalidated', userId: id, actor: ADMIN });
    await this.accounts.endLocks(id);
    this.events.emit({ type: 'mfa.unlocked', userId: id, actor: ADMIN });
  }

  /**
   * Removes every factor of the user, for example after a lost phone. The next login must enroll a new factor, whatever the
   * policy is. Who may do that is decided by `MfaHost.authorizeEnrollment` or a recovery code.
   * @throws MfaException `MFA_MISCONFIGURED`, before anything is changed, if the host has neither `authorizeEnrollment` nor
   * the option `enrollment.allowPasswordOnly`; `MFA_BUSY`; TypeError for an unusable user id or action
   */
  // S102
  async reset(userId: string | number, { requireEnrollment, ...action }: MfaResetOptions): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.reset');
    const by = readAction(action, 'MfaAdminService.reset');
    const mustEnroll = requireEnrollment ?? true;
    if (mustEnroll) {
      this.requireEnrollmentInLogin();
      await openAccount(this.accounts, id, this.clock.nowMs());
    } else if (!(await this.accounts.load(id))) return;
    const change = mustEnroll ? { mustEnrollSinceMs: this.clock.nowMs() } : {};
    const removal = await this.removal.all(id, { change }).catch(async (error: unknown) => {
      if ((await this.accounts.load(id)) !== null) throw error;
      // The account was purged in the meantime. Without a new row, the next login would enroll nothing.
      if (mustEnroll) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1, cause: error });
      return null;
    });
    if (!removal) return;
    await this.events.changed({ type: 'mfa.reset', userId: id, ...by }, { enabled: false });
    await removal.tidyUp();
    await tidyUp(() => this.accounts.clearBudgets(id));
  }

  private requireEnrollmentInLogin(): void {
    if (this.policies.canEnrollInLogin) return;
    throw new MfaError('MFA_MISCONFIGURED', {
      message:
        'MfaAdminService.reset: after a reset the user must enroll within a login. Implement `MfaHost.authorizeEnrollment`, or set option `enrollment.allowPasswordOnly: true`, or give `requireEnrollment: false`',
    });
  }

  /**
   * Issues a recovery code for a user who lost every factor, and replaces an earlier one. The user signs in with it as the
   * second step (`method: 'recovery_code'`) within 24 hours, and enrolls a new factor, which replaces the others. Until
   * then the old factors stay required. Any other accepted proof of the user ends the code.
   * @returns the code, to hand over once by a channel that proves the identity of the user
   * @throws MfaException `MFA_BAD_REQUEST` if the actor is this user; `MFA_BUSY`; TypeError for an unusable user id or action
   */
  // S104
  async issueRecoveryCode(userId: string | number, action: MfaAdminAction): Promise<MfaRecoveryCode> {
    const id = requireUserId(userId, 'MfaAdminService.issueRecoveryCode');
    const by = readAction(action, 'MfaAdminService.issueRecoveryCode');
    if (by.actor.id === id && by.actor.type === 'admin') {
      throw new MfaError('MFA_BAD_REQUEST', {
        message: ['an administrator cannot issue a recovery code for their own account'],
      });
    }
    const nowMs = this.clock.nowMs();
    await openAccount(this.accounts, id, nowMs);
    const code = generateRecoveryCode(this.random);
    const expiresAtMs = nowMs + RECOVERY_LIFETIME_MS;
    const hash = recoveryHash(id, normaliseCode(code), this.options.keyRing.newest);
    await changeAccount(this.accounts, id, () => ({ recovery: { hash, expiresAtMs } }), 'MFA_BUSY');
    // Guesses at an earlier code do not lock this one. The daily cap stays (S51).
    await tidyUp(() => this.accounts.endFailures(id, 'recovery_code'));
    this.events.emit({ type: 'mfa.recovery_code.issued', userId: id, ...by });
    return { code, expiresAt: new Date(expiresAtMs) };
  }

  /**
   * Returns what is stored about the user, for a data-protection request. It contains no secrets, hashes and tokens.
   * Five statements.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async exportUser(userId: string | number): Promise<MfaUserExport> {
    const id = requireUserId(userId, 'MfaAdminService');
    const snapshot = await this.accounts.load(id);
    const setId = snapshot?.account.backupSetId;
    const codes = setId ? await this.codes.list(id, setId) : [];
    const passkeys = await this.passkeys.list(id);
    const spent = await this.usage.list(id);
    return userExport({ userId: id, snapshot, codes, passkeys, spent, sightings: await this.policiesSeen.list(id) });
  }

  /**
   * Removes all rows of the user from the MFA tables. If it throws, call it again: it continues where it stopped, and
   * calls `revokeSessions` again if the first call may not have done so.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async purgeUser(userId: string | number): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService');
    const account = (await this.accounts.load(id))?.account;
    // The account first: without it, the other rows have no effect.
    await this.accounts.remove(id);
    const wasOn = account !== undefined && isEnabled({ account });
    if (wasOn) await this.changedByPurge(id);
    const left = await this.removeRows(id);
    // More rows than the account named: an earlier purge stopped before it delivered the change.
    const named = account?.pendingId ? 1 : 0;
    if (!wasOn && left > named) await this.changedByPurge(id);
    this.events.emit({ type: 'mfa.user.purged', userId: id, actor: ADMIN });
  }

  /** Removes the rows of every table, also after an error in one. Returns the number of authenticators and passkeys. */
  private async removeRows(id: string): Promise<number> {
    const removals = this.factors.map((factor) => factor.purge(id));
    const others = [this.usage.removeAll(id), this.policiesSeen.removeAll(id)];
    const results = await Promise.allSettled([...removals, ...others.map((removal) => removal.then(() => 0))]);
    const failed = results.find((each) => each.status === 'rejected');
    if (failed) throw failed.reason;
    return results.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : 0), 0);
  }

  private async changedByPurge(id: string): Promise<void> {
    await this.events.changed({ type: 'mfa.disabled', userId: id, actor: ADMIN }, { enabled: false });
  }
}

const ADMIN = { type: 'admin' } as const;
