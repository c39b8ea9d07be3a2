import { isMfaError, MfaError, type MfaErrorCode } from '../mfa-error.js';
import type { AccountSnapshot, MfaAccount } from './account.js';
import type { AccountChange, MfaAccountStore } from './account.store.js';

/** Lost races after which a change gives up; each one means that another change of this very user succeeded. */
const MOST_TRIES = 12;

/** Before each look for a change whose answer was lost, in milliseconds. */
const PAUSES_MS = [0, 100, 200, 400, 800, 1_600, 3_200];

type Decision = AccountChange | null;

/**
 * Optimistic update of the account row with retries. `decide` returns the change, or `null` to leave the account
 * unchanged; it runs again whenever another change was committed first. A change of the active factors or of the
 * backup set also ends the pending setup, which was proved for the account as it was.
 * @param missing the code to throw where the user has no account
 * @returns the account before and after; the same where there was nothing to change
 * @throws MfaError `missing`; `MFA_BUSY` after too many lost races
 */
// S79
export async function changeAccount(
  accounts: MfaAccountStore,
  userId: string,
  decide: (snapshot: AccountSnapshot) => Decision | Promise<Decision>,
  missing: MfaErrorCode = 'MFA_NOT_ENABLED',
): Promise<{ before: AccountSnapshot; after: AccountSnapshot }> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const before = await accounts.load(userId);
    if (!before) throw new MfaError(missing);
    const decided = await decide(before);
    if (decided === null) return { before, after: before };
    const change = endingSetup(decided);
    if (await commits(accounts, before.account, change)) {
      const rowVersion = before.account.rowVersion + 1;
      return { before, after: { ...before, account: { ...before.account, ...change, rowVersion } } };
    }
  }
  throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
}

function endingSetup(change: AccountChange): AccountChange {
  return change.activeFactors === undefined && change.backupSetId === undefined
    ? change
    : { pendingId: null, ...change };
}

/** Whether the change was committed. After an error the database may have committed it, or may still do so. */
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
 * What became of a change whose answer was lost. A statement whose connection was cut may still wait for its row, and be
 * committed later: then nobody would be told. So `rowVersion` is raised here. Either that succeeds, and the change
 * can be committed no more, or the change was first. A database that is away is asked for some seconds.
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
  const fields = Object.keys(change) as (keyof AccountChange)[];
  return (
    account.rowVersion === rowVersion &&
    fields.every((field) => JSON.stringify(account[field]) === JSON.stringify(change[field]))
  );
}
