import { MfaError } from '../mfa-error.js';
import { isEnabled, type AccountSnapshot } from './account.js';
import type { MfaAccountStore } from './account.store.js';

/**
 * Loads the account of a user with a confirmed factor. `userId: null` = an unusable user id.
 * @throws MfaError `MFA_NOT_ENABLED` if the user has no confirmed factor, or the id is unusable
 */
export async function loadEnabled(accounts: MfaAccountStore, userId: string | null): Promise<AccountSnapshot> {
  const snapshot = userId === null ? null : await accounts.load(userId);
  if (!isEnabled(snapshot)) throw new MfaError('MFA_NOT_ENABLED');
  return snapshot;
}
