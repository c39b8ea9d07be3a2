import { createHash } from 'node:crypto';
import {
  flatten,
  type RenderedSql,
  requireValue,
  Slot,
  type Sql,
  type SqlDialect,
  type SqlValue,
} from '../statements/sql.js';

/** The values of one run; what is left out has no place in the text. */
export type SlotValues = Readonly<Record<string, SqlValue | undefined>>;

/** A slot for each value that is given, and `undefined` for each that is not. */
export type SlotsOf<V extends SlotValues> = {
  readonly [K in keyof V]: undefined extends V[K] ? Slot | undefined : Slot;
};

/**
 * Statements of the login path. Each text is put together once and then only given values, and bears a name, so that
 * a database can keep it parsed and planned. A text sees no value, only which ones there are: no value can get into it,
 * and the same ones always make the same text.
 */
export class StatementTemplates {
  /** By what the texts depend on besides, such as the attempt policy. */
  private readonly scopes = new WeakMap<object, Map<string, Template>>();

  constructor(private readonly dialect: SqlDialect) {}

  /**
   * The statement that `write` writes, with `values` in their slots.
   * @param kind names the statement, with all that `write` depends on besides `scope` and which values there are
   */
  bind<V extends SlotValues>(
    { scope, kind }: { scope: object; kind: string },
    values: V,
    write: (slots: SlotsOf<V>) => Sql,
  ): RenderedSql {
    const templates = this.templatesOf(scope);
    let key = kind;
    for (const name in values) if (values[name] !== undefined) key += ` ${name}`;
    let template = templates.get(key);
    if (!template) {
      template = toTemplate(write(slotsOf(values)), this.dialect);
      templates.set(key, template);
    }
    const { text, name, parts } = template;
    return {
      text,
      name,
      parameters: parts.map((part) => requireValue(part instanceof Slot ? values[part.key] : part)),
    };
  }

  private templatesOf(scope: object): Map<string, Template> {
    const known = this.scopes.get(scope);
    if (known) return known;
    const templates = new Map<string, Template>();
    this.scopes.set(scope, templates);
    return templates;
  }
}

function slotsOf<V extends SlotValues>(values: V): SlotsOf<V> {
  const given = Object.keys(values).filter((name) => values[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, new Slot(name)])) as SlotsOf<V>;
}

interface Template {
  text: string;
  name: string;
  parts: readonly (SqlValue | Slot)[];
}

/** Two texts never share a name, and one text has the same name in every process: a pooler may share connections. */
function toTemplate(statement: Sql, dialect: SqlDialect): Template {
  const { text, parts } = flatten(statement, dialect);
  return { text, parts, name: `mfa_${createHash('sha256').update(text).digest('base64url').slice(0, 27)}` };
}
