import { raw, type Sql, sql, type SqlDialect, type SqlValue, type TableReference } from '../statements/sql.js';

/**
 * Removes up to `limit` rows whose `column` is `before` or earlier, such as the time of expiry. The form measured fastest on each database; all of
 * them let several instances purge at once.
 */
export function purging(
  table: TableReference,
  before: SqlValue,
  limit: number,
  { family }: SqlDialect,
  column = raw('expires_at'),
): Sql {
  const overdue = sql`${column} <= ${before}`;
  const expired = sql`FROM ${table} WHERE ${overdue} ORDER BY ${column} LIMIT ${limit}`;
  switch (family) {
    case 'postgres':
      // In a partitioned table several rows have the same ctid. The condition on the expiry keeps the rows that still matter (S27).
      return sql`DELETE FROM ${table} WHERE ctid = ANY(ARRAY(SELECT ctid ${expired})) AND ${overdue}`;
    case 'mysql':
      return sql`DELETE ${expired}`;
    case 'sqlite':
      return sql`DELETE FROM ${table} WHERE rowid IN (SELECT rowid ${expired})`;
  }
}
