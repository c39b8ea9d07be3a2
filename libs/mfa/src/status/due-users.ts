import { readPage } from '../domain/paging.js';
import { POLICY_ID } from '../domain/policy/policy.js';
import type { DueUser } from '../domain/policy/policy-seen.store.js';

const CALLER = 'MfaStatusService.listDue';

/** Which users of a policy to list. */
export interface MfaDueQuery {
  /** `id` of the policy. */
  policyId: string;
  /** `graceSeconds` of the policy. */
  graceSeconds: number;
  /** Lists users for whom the policy is enforced within this many seconds. 0 = by now. */
  withinSeconds: number;
  /** `next` of the page before. @default the first page */
  after?: string | null | undefined;
  /** Users of one page, 1 to 1000. @default 100 */
  limit?: number | null | undefined;
  /** `methods` of the policy: users who have a factor of them are left out. @default users with any factor are left out */
  methods?: readonly string[] | null | undefined;
}

/** A page of users without a factor, the earliest first. */
export interface MfaDueUsers {
  users: {
    userId: string;
    /** When the policy is enforced for the user, without its `deadline`. */
    dueAt: Date;
  }[];
  /** For `after` of the next page. `null` = this is the last page. */
  next: string | null;
}

/** The query in the units of the store. */
export interface ReadDueQuery {
  policyId: string;
  graceMs: number;
  withinMs: number;
  after: DueUser | null;
  limit: number;
  methods: readonly string[] | null;
}

/** @throws TypeError that names the property that is unusable */
export function readDueQuery(query: MfaDueQuery): ReadDueQuery {
  const { policyId, graceSeconds, withinSeconds, after, limit, methods } = (query ?? {}) as MfaDueQuery;
  if (typeof policyId !== 'string' || !POLICY_ID.test(policyId))
    throw unusable('policyId', 'must be the id of a policy');
  const page = readPage({ after, limit }, CALLER);
  return {
    policyId,
    graceMs: seconds('graceSeconds', graceSeconds) * 1000,
    withinMs: seconds('withinSeconds', withinSeconds) * 1000,
    after: page.after && { firstSeenAtMs: page.after.value, userId: page.after.userId },
    limit: page.limit,
    methods: methods ?? null,
  };
}

function seconds(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value * 1000) && value >= 0) return value;
  throw unusable(name, 'must be a number of seconds from 0');
}

const unusable = (name: string, text: string) => new TypeError(`${CALLER}: \`${name}\` ${text}`);
