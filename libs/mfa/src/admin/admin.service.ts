import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { requireUserId } from '../domain/accounts/account.js';
import { MfaAccountListStore } from '../domain/accounts/account-list.store.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { pageOf } from '../domain/paging.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { asOwner, type MfaAdminAction, readAction, readEnrollmentFlag } from './admin-action.js';
import { type MfaRecoveryCode, RecoveryCodeIssuing } from './recovery-code-issuing.js';
import { type MfaUserExport, userExport } from './user-export.js';
import { UserMove } from './user-move.js';
import { UserPurge } from './user-purge.js';
import { UserReset } from './user-reset.js';
import { UserRowsReader } from './user-rows.js';
import { listedUser, type MfaUserList, type MfaUserListQuery, readListQuery } from './user-list.js';

/** Who resets the factors of a user, and what follows. */
export interface MfaResetOptions extends MfaAdminAction {
  /**
   * Whether the next login must enroll a new factor. With `false` it requires no second factor, unless an earlier reset
   * required an enrollment.
   * @default true
   */
  requireEnrollment?: boolean | null | undefined;
}

/**
 * Actions of administrators and of the host's account management: lists, unlock, invalidate, reset, recovery codes, export, purge.
 * No method requires a proof, so authorise the caller first. What changes something requires an actor, who is in the
 * event. `context` is the request of the actor, for the event. `MfaHost.revokeSessions` does not receive it, so it ends
 * every session of the user. A user without MFA data is not an error.
 * @example
 * // A support agent has checked the identity of a user who lost the phone:
 * await this.mfaAdmin.reset(user.id, { actor: { userId: agent.id }, reason: 'case 4711: lost phone' });
 */
@Injectable()
@ThrowsMfaException()
export class MfaAdminService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly lists: MfaAccountListStore,
    private readonly devices: MfaDeviceStore,
    private readonly resets: UserReset,
    private readonly recoveryCodes: RecoveryCodeIssuing,
    private readonly move: UserMove,
    private readonly rows: UserRowsReader,
    private readonly purge: UserPurge,
    private readonly events: MfaEvents,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Returns users whom an administrator may look for: locked, disabled by failures, with few backup codes, or who must
   * enroll. One statement for each page, which reads an index.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable query
   * @example
   * const { users, next } = await this.mfaAdmin.list({ locked: true, limit: 50 });
   */
  async list(query: MfaUserListQuery): Promise<MfaUserList> {
    const context = { policy: this.options.attempts, nowMs: this.clock.nowMs() };
    const read = readListQuery(query, context);
    // One more than asked for shows whether there is a next page.
    const found = await this.lists.list({ ...read, limit: read.limit + 1 });
    const { page, next } = pageOf(found, read.limit, ({ value, userId }) => ({ value, userId }));
    return { users: page.map((account) => listedUser(account, context)), next };
  }

  /**
   * Ends every lock of the user and sets all failure counters to 0.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id or action
   */
  async unlock(userId: string | number, action: MfaAdminAction, context?: ExecutionContext): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.unlock');
    const by = readAction(action, 'MfaAdminService.unlock');
    await this.events.around(
      { type: 'mfa.unlocked', userId: id, ...by },
      () => this.accounts.clearBudgets(id),
      context,
    );
  }

  /**
   * Makes all mfa_tokens and pending setups of the user invalid. Existing authenticators stay.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id or action
   */
  // S43
  async invalidate(userId: string | number, action: MfaAdminAction, context?: ExecutionContext): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.invalidate');
    const by = readAction(action, 'MfaAdminService.invalidate');
    await this.events.around(
      { type: 'mfa.invalidated', userId: id, ...by },
      () => this.accounts.invalidate(id),
      context,
    );
  }

  /**
   * Call it after the user's password was changed or reset. It makes all mfa_tokens and pending setups of the user
   * invalid, and ends locks. Failure counters and daily caps stay: an attacker who can reset the password must not get
   * more guesses.
   * @param action who changed the password. The actor `{ userId }` of the owner is of type `user` in the events
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id or action
   */
  // S43, S51
  async passwordChanged(userId: string | number, action: MfaAdminAction, context?: ExecutionContext): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.passwordChanged');
    const by = asOwner(readAction(action, 'MfaAdminService.passwordChanged'), id);
    // Both are written before the first change, so that a failure changes nothing.
    const invalidated = await this.events.begin({ type: 'mfa.invalidated', userId: id, ...by }, context);
    const unlocked = await this.events.begin({ type: 'mfa.unlocked', userId: id, ...by }, context);
    await this.accounts.invalidate(id);
    this.events.finish(invalidated);
    await this.accounts.endLocks(id);
    this.events.finish(unlocked);
  }

  /**
   * Removes every factor of the user, for example after a lost phone. The next login must enroll a new factor, whatever the
   * policy is. Who may do that is decided by `MfaHost.authorizeEnrollment` or a recovery code.
   * @throws MfaException `MFA_MISCONFIGURED`, before anything is changed, if the host has neither `authorizeEnrollment` nor
   * the option `enrollment.allowPasswordOnly`; `MFA_BAD_REQUEST` if the user was moved to another user id, or a move to this
   * one was not finished; `MFA_BUSY`; TypeError for an unusable user id, action or
   * `requireEnrollment`
   */
  // S102
  async reset(userId: string | number, options: MfaResetOptions, context?: ExecutionContext): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.reset');
    const by = readAction(options, 'MfaAdminService.reset');
    const mustEnroll = readEnrollmentFlag(options.requireEnrollment);
    await this.resets.run(id, { by, mustEnroll, context });
  }

  /**
   * Issues a recovery code for a user who lost every factor, and replaces an earlier one. The user signs in with it as the
   * second step (`method: 'recovery_code'`) within 24 hours, and enrolls a new factor, which replaces the others. Until
   * then the old factors stay required. Any other accepted proof of the user ends the code.
   * @returns the code, to hand over once by a channel that proves the identity of the user
   * @throws MfaException `MFA_BAD_REQUEST` if the actor is this user, if the user was moved to another id, or if a move to
   * this id was not finished; `MFA_BUSY`; TypeError for an unusable user id or action
   */
  // S104
  async issueRecoveryCode(
    userId: string | number,
    action: MfaAdminAction,
    context?: ExecutionContext,
  ): Promise<MfaRecoveryCode> {
    const id = requireUserId(userId, 'MfaAdminService.issueRecoveryCode');
    const by = readAction(action, 'MfaAdminService.issueRecoveryCode');
    return this.recoveryCodes.issue(id, { by, context });
  }

  /**
   * Ends the trust in every device of the user: each of them requires a second factor at the next login. Sessions stay.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id or action
   */
  async revokeDevices(userId: string | number, action: MfaAdminAction, context?: ExecutionContext): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.revokeDevices');
    const by = readAction(action, 'MfaAdminService.revokeDevices');
    await this.events.around(
      { type: 'mfa.device.revoked', userId: id, ...by },
      () => this.devices.removeAll(id),
      context,
    );
  }

  /**
   * Moves everything that is stored about a user to another user id. Call it before you change the id in your tables, and
   * change it only after this method returned. Repeat it when it throws. Afterwards the old id requires MFA and nothing
   * verifies for it, until {@link purgeUser} removes it. Factors, spent codes, failures, the WebAuthn user handle and a
   * required enrollment stay. mfa_tokens, a pending setup, trusted devices and a recovery code end.
   * Credentials of factors of the host keep their ids: move their rows in your tables. Rows of the audit table stay under
   * the old id. The event `mfa.user.moved` names the old id as `previousUserId`.
   * After a wrong new id, call {@link purgeUser} for that id.
   * @throws MfaException `MFA_BAD_REQUEST` if the new id has an MFA account, if the old one was moved to another id, or if one
   * of the two was purged during the move; `MFA_MISCONFIGURED` if a key is missing; `MFA_BUSY`; TypeError for unusable user ids or an unusable action
   */
  // S43, S123
  async moveUser(
    oldUserId: string | number,
    newUserId: string | number,
    action: MfaAdminAction,
    context?: ExecutionContext,
  ): Promise<void> {
    const from = requireUserId(oldUserId, 'MfaAdminService.moveUser');
    const to = requireUserId(newUserId, 'MfaAdminService.moveUser');
    const by = readAction(action, 'MfaAdminService.moveUser');
    if (from === to) throw new TypeError('MfaAdminService.moveUser: the new user id must be another one');
    const draft = { type: 'mfa.user.moved', userId: to, previousUserId: from, ...by } as const;
    const work = () => this.move.run({ from, to });
    // A refused move, and one that has nothing to do, must leave nothing in the audit trail of the new id.
    if (await this.move.isNeeded({ from, to })) await this.events.around(draft, work, context);
    else if (await work()) this.events.emit(draft, context);
  }

  /**
   * Returns what is stored about the user, for a data-protection request. It contains no secrets, hashes and tokens.
   * Seven statements, and two more with an audit table.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async exportUser(userId: string | number): Promise<MfaUserExport> {
    const id = requireUserId(userId, 'MfaAdminService.exportUser');
    return userExport(await this.rows.read(id));
  }

  /**
   * Removes all rows of the user from the MFA tables. If it throws, call it again: it continues where it stopped, and
   * calls `revokeSessions` again if the first call may not have done so. While it runs, the user cannot enroll.
   * @throws MfaException `MFA_BAD_REQUEST` while {@link moveUser} is not finished for this id; `MFA_BUSY`, also if an account
   * of the user appeared after the call began; TypeError for an unusable user id or action
   */
  async purgeUser(userId: string | number, action: MfaAdminAction, context?: ExecutionContext): Promise<void> {
    const id = requireUserId(userId, 'MfaAdminService.purgeUser');
    const by = readAction(action, 'MfaAdminService.purgeUser');
    const draft = { type: 'mfa.user.purged', userId: id, ...by } as const;
    // A refused purge must leave nothing in the audit trail.
    await this.purge.requireAllowed(id);
    await this.events.aroundPurge(draft, () => this.purge.run(id, { by, context }), context);
  }
}
