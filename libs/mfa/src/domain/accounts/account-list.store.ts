import type { PageQuery } from '../paging.js';
import type { MfaAccount } from './account.js';

/** A column of the account row by which accounts are listed, each with an index. */
export type ListedColumn = 'lockedUntilMs' | 'mostFailures' | 'backupCodesLeft' | 'mustEnrollSinceMs';

/** Which accounts to list, in the order of the column and the user id. */
export interface AccountListQuery extends PageQuery {
  column: ListedColumn;
  /** The range of values to list. It holds on every page. Without `atMost`, it has no upper end. */
  atLeast: number;
  atMost?: number;
}

/** An account of a list. */
export interface ListedAccount extends Pick<MfaAccount, 'userId' | 'activeFactors' | 'budgets' | 'mustEnrollSinceMs'> {
  /** `null` = MFA is off. */
  backupCodesLeft: number | null;
  /** The value of the column by which it was found. */
  value: number;
}

/** Storage port of the lists of administrators. */
export abstract class MfaAccountListStore {
  /** One page, by one statement that reads an index. Accounts that were moved to another user id are left out. */
  abstract list(query: AccountListQuery): Promise<ListedAccount[]>;
}
