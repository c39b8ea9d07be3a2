import { MfaError } from '../mfa-error.js';
import { isEnabled, type AccountSnapshot } from './account.js';
import type { MfaAccountStore } from './account.store.js';

/**
 * The account of a user who has a confirmed authenticator. `null` stands for what is no user id.
 * @throws MfaError `MFA_NOT_ENABLED` for everybody else
 */
export async function loadEnabled(accounts: MfaAccountStore, userId: string | null): Promise<AccountSnapshot> {
  const snapshot = userId === null ? null : await accounts.load(userId);
  if (!isEnabled(snapshot)) throw new MfaError('MFA_NOT_ENABLED');
  return snapshot;
}
