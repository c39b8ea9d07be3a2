import type { DataSource } from 'typeorm';
import type { Row } from './row-mappers.js';
import { sql } from '../statements/sql.js';
import type { StatementRunner } from '../statements/statement-runner.js';

/** What is known of each DataSource: asked once, by the check at start or by the first spending. */
const KNOWN = new WeakMap<DataSource, boolean>();

/** Remembers from the rows of `SHOW VARIABLES` whether the DataSource is a Galera cluster. */
export function rememberGalera(dataSource: DataSource, variables: readonly Row[]): boolean {
  const galera = variables.some(({ Variable_name, Value }) => Variable_name === 'wsrep_on' && Value === 'ON');
  KNOWN.set(dataSource, galera);
  return galera;
}

/**
 * Whether the database is a Galera cluster (MariaDB Galera, Percona XtraDB Cluster). Its nodes know nothing of each
 * other's row locks; only transactions that write the same row exclude each other. Call it for MySQL and MariaDB only.
 */
export async function isGalera(dataSource: DataSource, statements: StatementRunner): Promise<boolean> {
  const known = KNOWN.get(dataSource);
  if (known !== undefined) return known;
  const { records } = await statements.run(sql`SHOW VARIABLES LIKE 'wsrep_on'`);
  return rememberGalera(dataSource, records);
}
