/** What can be bound. Nothing else may be: an object would be expanded into SQL text by the MySQL driver. */
export type SqlValue = string | number | null;

/** An entity class stands for its table. */
export type TableReference = abstract new () => object;

export type SqlPart = SqlValue | Sql | TableReference;

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

/** The parts one after another; must not be empty. */
export function join(parts: readonly SqlPart[], separator = ', '): Sql {
  return new Sql(['', ...parts.slice(1).map(() => separator), ''], parts);
}

/** How one kind of database writes what this library needs beyond the common subset. */
export interface SqlDialect {
  family: 'postgres' | 'mysql' | 'sqlite';
  placeholder(position: number): string;
  /** The escaped table of an entity, with schema and prefix. */
  table(entity: TableReference): string;
  /** The type name that CAST takes for a 64-bit integer. */
  integer: Sql;
}

export interface RenderedSql {
  text: string;
  parameters: SqlValue[];
}

/** The text and the parameters for the driver. */
export function render(statement: Sql, dialect: SqlDialect): RenderedSql {
  const parameters: SqlValue[] = [];
  const renderPart = (part: SqlPart): string => {
    if (part instanceof Sql) return renderSql(part);
    if (typeof part === 'function') return dialect.table(part);
    if (part !== null && typeof part !== 'string' && !Number.isFinite(part)) {
      throw new TypeError(`A value of type ${typeof part} cannot be bound to an SQL statement`);
    }
    return dialect.placeholder(parameters.push(part));
  };
  const renderSql = ({ texts, parts }: Sql): string =>
    texts.reduce((text, next, position) => text + renderPart(parts[position - 1] as SqlPart) + next);
  return { text: renderSql(statement), parameters };
}
