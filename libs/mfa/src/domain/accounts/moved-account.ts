import { EMPTY_BUDGET } from '../attempts/attempt-budget.js';
import { ATTEMPT_FACTORS } from '../attempts/attempt-policy.js';
import { deterministicUuid } from '../deterministic-uuid.js';
import type { AccountSnapshot, ActiveFactor, MfaAccount } from './account.js';
import type { AccountChange } from './account.store.js';
import type { MovedAccount } from './user-move.store.js';

/** The type of the only entry of an account that was moved. No factor has it: MFA stays required, and nothing verifies. */
const MOVED_TO = 'moved-to';

/** The second entry, until everything is at the new id. */
const UNFINISHED: ActiveFactor = { type: 'move-unfinished', id: '1' };

const NO_BUDGETS = Object.fromEntries(
  ATTEMPT_FACTORS.map((factor) => [factor, EMPTY_BUDGET]),
) as MovedAccount['budgets'];

const movedTo = (newUserId: string): ActiveFactor => ({ type: MOVED_TO, id: deterministicUuid(MOVED_TO, newUserId) });

/** What turns an account into the tombstone of an unfinished move. Every mfa_token, device and recovery code of the old id ends. */
// S43, S123
export function tombstone({ securityStamp }: MfaAccount, newUserId: string): AccountChange {
  return {
    securityStamp: securityStamp + 1,
    activeFactors: [movedTo(newUserId), UNFINISHED],
    pendingId: null,
    backupSetId: null,
    mustEnrollSinceMs: null,
    recovery: null,
  };
}

/** What finishes a tombstone: `purgeUser` may remove it from then on. */
export const finishedTombstone = (newUserId: string): AccountChange => ({ activeFactors: [movedTo(newUserId)] });

/** Whether the account is a tombstone whose rows are not all at the new id yet. */
export function isMoving(snapshot: { account: Pick<MfaAccount, 'activeFactors'> } | null): boolean {
  return snapshot !== null && snapshot.account.activeFactors.some(({ type }) => type === UNFINISHED.type);
}

/** The user handle of an account that reserves its id for a running purge. Handles of users have 86 characters. */
const PURGING = 'purge-unfinished';

/** The columns of such an account. Its `movedFrom` is its own id, so that nothing verifies and no move goes to it. */
// S123
export function purgingAccount(userId: string, version: { rowVersion: number; securityStamp: number }): MovedAccount {
  const nothing = { activeFactors: [], backupSetId: null, mustEnrollSinceMs: null, budgets: NO_BUDGETS };
  return { userId, ...version, ...nothing, userHandle: PURGING, movedFrom: userId };
}

/** Whether the account reserves its id for a purge. It stays if the process ended during the purge. */
export function isPurging({ account }: Pick<AccountSnapshot, 'account'>): boolean {
  return account.userHandle === PURGING;
}

/** Whether the account was moved to another user id. `null` = no account. */
export function isMoved(snapshot: { account: Pick<MfaAccount, 'activeFactors'> } | null): boolean {
  return snapshot !== null && snapshot.account.activeFactors.some(({ type }) => type === MOVED_TO);
}

/** Whether the account was moved to this user id. */
export function isMovedTo({ account }: Pick<AccountSnapshot, 'account'>, newUserId: string): boolean {
  const { id } = movedTo(newUserId);
  return account.activeFactors.some((factor) => factor.type === MOVED_TO && factor.id === id);
}

/**
 * The id of the row that a move copies from the row `id`. Equal rows get equal ids in every run. The version of the UUID
 * stays, because version 8 is the mark of an imported set of backup codes.
 */
export function movedId(id: string, newUserId: string): string {
  const moved = deterministicUuid('moved row', id, newUserId);
  return moved.slice(0, 14) + id.slice(14, 15) + moved.slice(15);
}
