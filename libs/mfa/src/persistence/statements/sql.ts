import type { DataSource } from 'typeorm';
import { MfaError } from '../../domain/mfa-error.js';

/** What can be bound. Nothing else may be: an object would be expanded into SQL text by the MySQL driver. */
export type SqlValue = string | number | null;

/** A part of a statement. An entity class is written as its table. */
export type TableReference = abstract new () => object;

/** The place of a value that comes with each run of a prepared statement. */
export class Slot {
  constructor(readonly key: string) {}
}

export type SqlPart = SqlValue | Sql | TableReference | Slot;

/** A piece of SQL whose values are bound parameters, not text. Made by {@link sql}. */
export class Sql {
  constructor(
    readonly texts: readonly string[],
    readonly parts: readonly SqlPart[],
  ) {}
}

/** `` sql`UPDATE ${Entity} SET name = ${value} ${moreSql}` `` */
export function sql(texts: TemplateStringsArray, ...parts: SqlPart[]): Sql {
  return new Sql(texts, parts);
}

/** Text of the library's own, such as a column name; never anything that came from outside. */
export function raw(text: string): Sql {
  return new Sql([text], []);
}

/** A whole number that is the same whenever the statement runs, such as one of the options. */
export function literal(value: number): Sql {
  if (!Number.isSafeInteger(value)) throw new TypeError('Only a whole number can stand in the text of a statement');
  return raw(String(value));
}

/** The parts one after another; must not be empty. */
export function join(parts: readonly SqlPart[], separator = ', '): Sql {
  return new Sql(['', ...parts.slice(1).map(() => separator), ''], parts);
}

/** How one kind of database writes what this library needs beyond the common subset. */
export interface SqlDialect {
  family: 'postgres' | 'mysql' | 'sqlite';
  placeholder(position: number): string;
  /** Whether a placeholder names its position, so that one value can be used in several places. */
  numbered: boolean;
  /** The escaped table of an entity, with schema and prefix. */
  table(entity: TableReference): string;
  /** The type name that CAST takes for a 64-bit integer. */
  integer: Sql;
  /** The function that returns the greatest of its arguments. */
  greatest: Sql;
  /** Rows that one statement of a purge removes at most. */
  largestPurge: number;
}

export interface RenderedSql {
  text: string;
  parameters: SqlValue[];
  /** Where given, the name under which a connection may keep the statement parsed and planned. */
  name?: string;
}

/** The text and the parameters for the driver. */
export function render(statement: Sql, dialect: SqlDialect): RenderedSql {
  const { text, parts } = flatten(statement, dialect);
  return { text, parameters: parts.map((part) => requireValue(part)) };
}

/** A statement as text, with the values of its placeholders in their order. */
export function flatten(statement: Sql, dialect: SqlDialect): { text: string; parts: (SqlValue | Slot)[] } {
  const parts: (SqlValue | Slot)[] = [];
  const renderPart = (part: SqlPart): string => {
    if (typeof part === 'function') return dialect.table(part);
    if (part instanceof Sql) return renderSql(part);
    const known = part instanceof Slot && dialect.numbered ? parts.indexOf(part) + 1 : 0;
    return dialect.placeholder(known || parts.push(part));
  };
  const renderSql = ({ texts, parts: inner }: Sql): string =>
    texts.reduce((text, next, position) => text + renderPart(inner[position - 1] as SqlPart) + next);
  // TypeORM 0.3 finds out by the first letters whether a statement of `sqlite3` writes.
  return { text: renderSql(statement).trim(), parts };
}

/** `value`, if it can be bound. */
export function requireValue(value: unknown): SqlValue {
  if (value === null || typeof value === 'string' || Number.isFinite(value)) return value as SqlValue;
  throw new TypeError(`A value of type ${typeof value} cannot be bound to an SQL statement`);
}

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
 * SQLite runs in this process, which is blocked during a statement, and lets one process write at a time. Nearly every
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
    greatest: raw(family === 'sqlite' ? 'MAX' : 'GREATEST'),
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
