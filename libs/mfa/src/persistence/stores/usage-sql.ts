import type { UsageEntry } from '../../domain/usage/usage.js';
import { join, type Sql, sql, type SqlDialect } from '../sql.js';

/** The entries as rows of `kind, item, spent_at, expires_at`, in one order whoever spends, so that two spendings of the same things seldom deadlock. */
export function usageRows(entries: readonly UsageEntry[], nowMs: number, { integer }: SqlDialect): Sql {
  const ordered = entries.toSorted((a, b) => compare(a.kind, b.kind) || compare(a.item, b.item));
  // PostgreSQL takes an uncast parameter in a select list for text.
  const selects = ordered.map(
    ({ kind, item, expiresAtMs }) => sql`SELECT ${kind} AS kind, ${item} AS item,
      CAST(${nowMs} AS ${integer}) AS spent_at, CAST(${expiresAtMs} AS ${integer}) AS expires_at`,
  );
  return join(selects, ' UNION ALL ');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
