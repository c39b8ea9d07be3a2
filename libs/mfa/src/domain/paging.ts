import { toUserId } from './accounts/account.js';

const MOST_USERS = 1000;
const CURSOR = /^(\d{1,16}):(.+)$/s;

/** The place of a user in a list that is sorted by a number and then by user id. */
export interface PagePosition {
  value: number;
  userId: string;
}

/** Which page to read. */
export interface PageQuery {
  /** The place after which the page starts. `null` = the first page. */
  after: PagePosition | null;
  /** Users of one page, 1 to 1000. */
  limit: number;
}

/** The place of a user as text, for the next page. */
export function cursorOf({ value, userId }: PagePosition): string {
  return Buffer.from(`${value}:${userId}`).toString('base64url');
}

/**
 * Reads `after` and `limit` of a query. Without `limit`, a page has 100 users.
 * @param greatest the greatest value of the number by which the list is sorted
 * @throws TypeError that names the caller and the property
 */
export function readPage(
  { after, limit }: { after?: unknown; limit?: unknown },
  caller: string,
  greatest = Number.MAX_SAFE_INTEGER,
): PageQuery {
  const unusable = (name: string, text: string) => new TypeError(`${caller}: \`${name}\` ${text}`);
  const users = limit ?? 100;
  if (!Number.isInteger(users) || (users as number) < 1 || (users as number) > MOST_USERS) {
    throw unusable('limit', `must be a whole number from 1 to ${MOST_USERS}`);
  }
  const position = after === undefined || after === null ? null : readCursor(after);
  if (position === undefined || (position && position.value > greatest))
    throw unusable('after', 'must be `next` of the page before');
  return { after: position, limit: users as number };
}

/** Splits one more row than the limit into a page and the cursor of the next one. `null` = this is the last page. */
export function pageOf<T>(
  found: readonly T[],
  limit: number,
  position: (row: T) => PagePosition,
): { page: T[]; next: string | null } {
  const page = found.slice(0, limit);
  return { page, next: found.length > limit ? cursorOf(position(page.at(-1)!)) : null };
}

function readCursor(after: unknown): PagePosition | undefined {
  const text = typeof after === 'string' ? Buffer.from(after, 'base64url').toString() : '';
  const [, value, userId] = CURSOR.exec(text) ?? [];
  return value === undefined || toUserId(userId) !== userId ? undefined : { value: Number(value), userId: userId! };
}
