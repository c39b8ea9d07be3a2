import type { AccountSnapshot } from './account.js';
import type { MfaAccountStore } from './account.store.js';

/** Returns the account of a user; where there is none yet, a new one without factors. */
export async function openAccount(accounts: MfaAccountStore, userId: string, nowMs: number): Promise<AccountSnapshot> {
  const known = await accounts.load(userId);
  if (known) return known;
  await accounts.open(userId, nowMs);
  const opened = await accounts.load(userId);
  // The store found a row whose id is not exactly this one: a colliding collation (S42).
  if (!opened)
    throw new Error(
      'nestjs-mfa: the database takes the account row of another user for that of this user; check the collation of mfa_account.user_id',
    );
  return opened;
}
