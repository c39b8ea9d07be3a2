import type { UsageEntry } from '../../domain/usage/usage.js';
import { join, type Slot, type Sql, sql, type SqlDialect, type SqlPart, type SqlValue } from '../statements/sql.js';

/** One row to be spent: the values of an entry, or their slots. */
export type UsageRow = Readonly<Record<keyof UsageEntry, SqlPart>>;

/** The entries in one order whoever spends, so that two spendings of the same things seldom deadlock. */
export function inOrder(entries: readonly UsageEntry[]): UsageEntry[] {
  return entries.toSorted((a, b) => compare(a.kind, b.kind) || compare(a.item, b.item));
}

/** The entries as values of a prepared statement. */
export function usageValues(entries: readonly UsageEntry[]): Record<string, SqlValue> {
  const values: Record<string, SqlValue> = {};
  entries.forEach(({ kind, item, expiresAtMs }, index) => {
    values[`kind${index}`] = kind;
    values[`item${index}`] = item;
    values[`expiresAtMs${index}`] = expiresAtMs;
  });
  return values;
}

/** The rows that {@link usageValues} gives the values of. */
export function usageSlots(slots: Readonly<Record<string, Slot | undefined>>): UsageRow[] {
  const rows: UsageRow[] = [];
  for (let index = 0; slots[`kind${index}`]; index++) {
    const slot = (name: string) => slots[`${name}${index}`]!;
    rows.push({ kind: slot('kind'), item: slot('item'), expiresAtMs: slot('expiresAtMs') });
  }
  return rows;
}

/** Rows of `kind, item, spent_at, expires_at`. */
export function usageRows(rows: readonly UsageRow[], nowMs: SqlPart, { integer }: SqlDialect): Sql {
  // PostgreSQL takes an uncast parameter in a select list for text.
  const selects = rows.map(
    ({ kind, item, expiresAtMs }) => sql`SELECT ${kind} AS kind, ${item} AS item,
      CAST(${nowMs} AS ${integer}) AS spent_at, CAST(${expiresAtMs} AS ${integer}) AS expires_at`,
  );
  return join(selects, ' UNION ALL ');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
