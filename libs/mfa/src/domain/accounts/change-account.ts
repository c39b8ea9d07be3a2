import type { LastChange } from '../audit/audit.store.js';
import { busyError, isMfaError, MfaError, type MfaErrorCode } from '../mfa-error.js';
import type { AccountSnapshot, MfaAccount } from './account.js';
import { isMoved, isPurging } from './moved-account.js';
import type { AccountChange, MfaAccountStore } from './account.store.js';
import { retryLostRaces } from './lost-races.js';

/** Pauses in milliseconds before each attempt to find out whether a change was committed. */
const PAUSES_MS = [0, 100, 200, 400, 800, 1_600, 3_200];

/** A change, with its event for the audit table. `null` = the audit table is off, or the change has no event. */
// S121: required, so that no change can forget it.
export type DecidedChange = Omit<AccountChange, 'lastChange'> & { lastChange: LastChange | null };

type Decision = DecidedChange | null;

/**
 * Optimistic update of the account row with retries. `decide` returns the change, or `null` to leave the account
 * unchanged; it runs again whenever another change was committed first. A change of the active factors or of the
 * backup set also ends the pending setup, which was proved for the account as it was.
 * @param missing the error code if the user has no account, is being purged, or was moved to another user id
 * @param ofMove whether the change is part of a move: then the account may be one that was moved
 * @returns the account before and after the change; both are the same if `decide` returned `null`
 * @throws MfaError `missing`; `MFA_BUSY` after too many lost races
 */
// S79
export async function changeAccount(
  accounts: MfaAccountStore,
  userId: string,
  decide: (snapshot: AccountSnapshot) => Decision | Promise<Decision>,
  missing: MfaErrorCode = 'MFA_NOT_ENABLED',
  { ofMove = false } = {},
): Promise<{ before: AccountSnapshot; after: AccountSnapshot }> {
  return retryLostRaces(async () => {
    const before = await accounts.load(userId);
    // S123: a change of a moved account could make its id one without a second step.
    if (!before || isPurging(before) || (isMoved(before) && !ofMove))
      throw missing === 'MFA_BUSY' ? busyError() : new MfaError(missing);
    const decided = await decide(before);
    if (decided === null) return { before, after: before };
    const { lastChange, ...fields } = decided;
    const change = endingSetup(fields);
    if (!(await commits(accounts, before.account, lastChange ? { ...change, lastChange } : change))) return null;
    const rowVersion = before.account.rowVersion + 1;
    return { before, after: { ...before, account: { ...before.account, ...change, rowVersion } } };
  });
}

function endingSetup<T extends AccountChange>(change: T): T | ({ pendingId: null } & T) {
  return change.activeFactors === undefined && change.backupSetId === undefined
    ? change
    : { pendingId: null, ...change };
}

/** Commits the change, and returns whether it was committed. After an error, asks the database what happened. */
async function commits(accounts: MfaAccountStore, account: MfaAccount, change: AccountChange): Promise<boolean> {
  const { userId, rowVersion } = account;
  try {
    return (await accounts.commit(userId, rowVersion, change)) === true;
  } catch (error) {
    if (await wasCommitted(accounts, account, change)) return true;
    throw error;
  }
}

/**
 * Returns whether a change was committed although its statement failed. After a lost connection, the statement may still
 * wait for the row lock and be committed later, without an event. To prevent that, this raises `rowVersion`. If it
 * succeeds, the change can no longer be committed. If not, the change was first. It tries for some seconds while the
 * database cannot be reached.
 */
// S79
async function wasCommitted(
  accounts: MfaAccountStore,
  { userId, rowVersion }: MfaAccount,
  change: AccountChange,
): Promise<boolean> {
  for (const pauseMs of PAUSES_MS) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    try {
      if ((await accounts.commit(userId, rowVersion, {})) === true) return false;
      const now = await accounts.load(userId);
      return now !== null && tookEffect(now.account, rowVersion + 1, change);
    } catch (error) {
      if (!isMfaError(error) || error.code !== 'MFA_BUSY') return false;
    }
  }
  return false;
}

function tookEffect(account: MfaAccount, rowVersion: number, change: AccountChange): boolean {
  // The stored event is not read with the account.
  const names = Object.keys(change) as (keyof AccountChange)[];
  const fields = names.filter((field) => field !== 'lastChange');
  return (
    account.rowVersion === rowVersion &&
    fields.every((field) => JSON.stringify(account[field]) === JSON.stringify(change[field]))
  );
}
