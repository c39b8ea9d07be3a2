import { isMoved } from '../domain/accounts/moved-account.js';
import type { MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { MfaError } from '../domain/mfa-error.js';

/**
 * Checks that the account is not the tombstone of a move, and not an unfinished copy. One statement.
 * @throws MfaError `MFA_BAD_REQUEST` if it is
 */
// S123
export async function requireOwnAccount(moves: MfaUserMoveStore, userId: string): Promise<void> {
  const found = await moves.find(userId);
  if (found === null) return;
  if (isMoved({ account: found })) throw refused('the user was moved to another user id');
  if (found.movedFrom === null || found.movedFrom === userId) return;
  throw refused(
    'a move to this user id was not finished. Repeat `moveUser`, or call `purgeUser` for this user id first',
  );
}

const refused = (problem: string) => new MfaError('MFA_BAD_REQUEST', { message: [problem] });
