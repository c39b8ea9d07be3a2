import { MfaError } from '../mfa-error.js';
import type { AccountSnapshot } from './account.js';
import type { AccountChange, MfaAccountStore } from './account.store.js';

/** Lost races after which a change gives up; each one means that another change of this very user succeeded. */
const MOST_TRIES = 12;

/**
 * Switches the account over by compare-and-swap: `decide` looks at the account as it is and gives the change, or
 * `null` for none. It is asked again whenever somebody else was first.
 * @returns the account before and after; the same where there was nothing to change
 * @throws MfaError `MFA_NOT_ENABLED` when the user has no account; `MFA_BUSY` after too many lost races
 */
export async function changeAccount(
  accounts: MfaAccountStore,
  userId: string,
  decide: (snapshot: AccountSnapshot) => AccountChange | null | Promise<AccountChange | null>,
): Promise<{ before: AccountSnapshot; after: AccountSnapshot }> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const before = await accounts.load(userId);
    if (!before) throw new MfaError('MFA_NOT_ENABLED');
    const change = await decide(before);
    if (change === null) return { before, after: before };
    const { version } = before.account;
    if ((await accounts.commit(userId, version, change)) === true) {
      return { before, after: { ...before, account: { ...before.account, ...change, version: version + 1 } } };
    }
  }
  throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
}
