import type { DataSource } from 'typeorm';
import { MfaError } from '../../domain/mfa-error.js';
import { raw, type SqlDialect, type TableReference } from './sql.js';

const FAMILIES: Readonly<Record<string, SqlDialect['family']>> = {
  postgres: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
  'better-sqlite3': 'sqlite',
  sqlite: 'sqlite',
  sqljs: 'sqlite',
};

const INTEGERS = { postgres: raw('bigint'), mysql: raw('SIGNED'), sqlite: raw('INTEGER') };

/**
 * SQLite runs in this process, which stands still during a statement, and lets one process write at a time. Nearly every
 * row removed changes a page of its own. 250 of them fit into the page cache (2 MB, some 480 pages) without spilling.
 */
const LARGEST_PURGE = { postgres: Infinity, mysql: Infinity, sqlite: 250 };

/** The dialect of a DataSource; `MFA_MISCONFIGURED` for a database that the library does not know. */
export function dialectOf(dataSource: DataSource): SqlDialect {
  const family = FAMILIES[dataSource.options.type];
  if (!family) {
    throw new MfaError('MFA_MISCONFIGURED', {
      message:
        `MFA cannot be stored in a DataSource of type "${dataSource.options.type}". ` +
        `Use one of ${Object.keys(FAMILIES).join(', ')}, for example by the option \`dataSource\` of MfaModule.`,
    });
  }
  const tables = new Map<TableReference, string>();
  return {
    family,
    integer: INTEGERS[family],
    largestPurge: LARGEST_PURGE[family],
    numbered: family === 'postgres',
    placeholder: family === 'postgres' ? (position) => `$${position}` : () => '?',
    table(entity) {
      const known = tables.get(entity) ?? escapedTable(dataSource, entity);
      tables.set(entity, known);
      return known;
    },
  };
}

function escapedTable(dataSource: DataSource, entity: TableReference): string {
  return escapePath(dataSource, dataSource.getMetadata(entity).tablePath);
}

/** Escapes `schema.table` part by part. */
export function escapePath({ driver }: DataSource, path: string): string {
  return path
    .split('.')
    .map((part) => driver.escape(part))
    .join('.');
}
