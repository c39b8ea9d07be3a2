import type { DatabaseKind } from '../support/databases.js';

export const EXPLAIN = { sqlite: 'EXPLAIN QUERY PLAN', postgres: 'EXPLAIN', mariadb: 'EXPLAIN FORMAT=JSON' };

/** Numbers from 0 to `count` - 1, as a table `n(i)`. */
export const numbersTo = (count: number): Record<DatabaseKind, string> => ({
  sqlite: `(WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ${count - 1}) SELECT i FROM c) n`,
  postgres: `generate_series(0, ${count - 1}) n(i)`,
  mariadb: `(SELECT seq AS i FROM seq_0_to_${count - 1}) n`,
});

/** The settings of a DataSource that keeps its statements in `sent`. */
export function keepingStatements(sent: { text: string; parameters: unknown[] | undefined }[]) {
  const logQuery = (text: string, parameters?: unknown[]) => void sent.push({ text, parameters });
  const silent = () => undefined;
  const others = { logQueryError: silent, logQuerySlow: silent, logSchemaBuild: silent, logMigration: silent };
  return { logging: true as const, logger: { logQuery, ...others, log: silent } };
}
