import { raw, type Sql, sql, type SqlDialect } from '../statements/sql.js';

/**
 * The new time of last use, which never goes back. Without its flag FOUND_ROWS the driver of MySQL counts only rows that
 * change, so where the clock is not ahead of it, the time rises by a millisecond there.
 */
export function lastUse(nowMs: number | Sql, { family }: SqlDialect): Sql {
  const standing = raw(family === 'mysql' ? 'last_used_at + 1' : 'last_used_at');
  return sql`CASE WHEN last_used_at >= ${nowMs} THEN ${standing} ELSE ${nowMs} END`;
}
