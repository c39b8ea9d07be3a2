import type { AccountListQuery, ListedAccount } from '../domain/accounts/account-list.store.js';
import { ATTEMPT_FACTORS, type AttemptFactor, type AttemptPolicy } from '../domain/attempts/attempt-policy.js';
import { readPage } from '../domain/paging.js';

const CALLER = 'MfaAdminService.list';
const MOST_CODES = 20;
/** The greatest number of failures or codes that a column can store. */
const MOST_COUNT = 2_147_483_647;
const CRITERIA = ['locked', 'disabled', 'fewCodes', 'mustEnroll'] as const;

/** Which users to list. Give exactly one criterion. */
export type MfaUserListQuery = MfaListCriterion & {
  /** `next` of the page before. @default the first page */
  after?: string | null | undefined;
  /** Users of one page, 1 to 1000. @default 100 */
  limit?: number | null | undefined;
};

/** One criterion of a list. */
export type MfaListCriterion =
  /** Users with a lock that has not ended, the earliest end first. */
  | { locked: true }
  /**
   * Users with a factor that too many failures disabled (`attempts.disableAfter`), the fewest failures first. With
   * `disableAfter: 1` the list is empty.
   */
  | { disabled: true }
  /** Users with MFA who have at most this many unused backup codes, 0 to 20; the fewest first. */
  | { fewCodes: number }
  /** Users whose next login must enroll a factor, because an administrator reset them; the earliest reset first. */
  | { mustEnroll: true };

/** A user in a list. */
export interface MfaListedUser {
  userId: string;
  enabled: boolean;
  /** Factors that are locked now, or disabled by failures. */
  locks: {
    factor: AttemptFactor;
    /** Failures in a row. */
    failures: number;
    /** `null` = not locked. */
    lockedUntil: Date | null;
    /** Whether the factor stays disabled until the user re-enrolls or an administrator unlocks it. */
    disabled: boolean;
  }[];
  /** Unused backup codes. `null` = MFA is off. */
  backupCodesLeft: number | null;
  /** When an administrator's reset required a new enrollment. `null` = none is required. */
  mustEnrollSince: Date | null;
}

/** A page of users. */
export interface MfaUserList {
  users: MfaListedUser[];
  /** For `after` of the next page. `null` = this is the last page. */
  next: string | null;
}

/** What a list depends on. */
interface ListContext {
  policy: AttemptPolicy;
  nowMs: number;
}

/** @throws TypeError that names the property that is unusable */
export function readListQuery(query: MfaUserListQuery, context: ListContext): AccountListQuery {
  const criterion = readCriterion(query, context);
  const isCount = criterion.column === 'mostFailures' || criterion.column === 'backupCodesLeft';
  return { ...criterion, ...readPage(query, CALLER, isCount ? MOST_COUNT : undefined) };
}

function readCriterion(
  query: MfaUserListQuery,
  { policy, nowMs }: ListContext,
): Omit<AccountListQuery, 'after' | 'limit'> {
  const given = (query ?? {}) as Partial<Record<(typeof CRITERIA)[number], unknown>>;
  const [criterion, ...more] = CRITERIA.filter((name) => given[name] !== undefined && given[name] !== null);
  if (criterion === undefined || more.length > 0) {
    throw new TypeError(`${CALLER}: give exactly one of \`${CRITERIA.join('`, `')}\``);
  }
  const value = given[criterion];
  if (criterion === 'fewCodes') {
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_CODES)
      return { column: 'backupCodesLeft', atLeast: 0, atMost: value as number };
    throw new TypeError(`${CALLER}: \`fewCodes\` must be a whole number from 0 to ${MOST_CODES}`);
  }
  if (value !== true) throw new TypeError(`${CALLER}: \`${criterion}\` must be true`);
  if (criterion === 'locked') return { column: 'lockedUntilMs', atLeast: nowMs + 1 };
  if (criterion === 'disabled') return { column: 'mostFailures', atLeast: policy.disableAfter };
  return { column: 'mustEnrollSinceMs', atLeast: 0 };
}

/** The account as an administrator sees it. */
export function listedUser(account: ListedAccount, { policy, nowMs }: ListContext): MfaListedUser {
  const { userId, activeFactors, budgets, backupCodesLeft, mustEnrollSinceMs } = account;
  const locks = ATTEMPT_FACTORS.map((factor) => {
    const { failures, lockedUntilMs } = budgets[factor];
    const lockedUntil = lockedUntilMs > nowMs ? new Date(lockedUntilMs) : null;
    return { factor, failures, lockedUntil, disabled: failures >= policy.disableAfter };
  }).filter(({ lockedUntil, disabled }) => lockedUntil !== null || disabled);
  const mustEnrollSince = mustEnrollSinceMs === null ? null : new Date(mustEnrollSinceMs);
  return { userId, enabled: activeFactors.length > 0, locks, backupCodesLeft, mustEnrollSince };
}
