import { toUserId } from '../domain/accounts/account.js';
import type { DueUser } from '../domain/policy/policy-seen.store.js';

const MOST_USERS = 1000;
const CURSOR = /^(\d{1,16}):(.+)$/s;

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
export function readDueQuery({
  policyId,
  graceSeconds,
  withinSeconds,
  after,
  limit,
  methods,
}: MfaDueQuery): ReadDueQuery {
  if (typeof policyId !== 'string' || policyId === '') throw unusable('policyId', 'must be the id of a policy');
  return {
    policyId,
    graceMs: seconds('graceSeconds', graceSeconds) * 1000,
    withinMs: seconds('withinSeconds', withinSeconds) * 1000,
    after: after === undefined || after === null ? null : readCursor(after),
    limit: readLimit(limit ?? 100),
    methods: methods ?? null,
  };
}

/** The place of a user in the list, for the next page. */
export function cursorOf({ firstSeenAtMs, userId }: DueUser): string {
  return Buffer.from(`${firstSeenAtMs}:${userId}`).toString('base64url');
}

function readCursor(after: unknown): DueUser {
  const text = typeof after === 'string' ? Buffer.from(after, 'base64url').toString() : '';
  const [, time, userId] = CURSOR.exec(text) ?? [];
  if (time === undefined || toUserId(userId) !== userId) throw unusable('after', 'must be `next` of the page before');
  return { firstSeenAtMs: Number(time), userId: userId! };
}

function seconds(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value * 1000) && value >= 0) return value;
  throw unusable(name, 'must be a number of seconds from 0');
}

function readLimit(limit: unknown): number {
  if (Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= MOST_USERS) return limit as number;
  throw unusable('limit', `must be a whole number from 1 to ${MOST_USERS}`);
}

const unusable = (name: string, text: string) => new TypeError(`MfaStatusService.listDue: \`${name}\` ${text}`);
