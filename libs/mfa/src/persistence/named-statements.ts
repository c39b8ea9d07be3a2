import { type DataSource, QueryFailedError, type QueryRunner } from 'typeorm';
import type { RenderedSql } from './sql.js';

/** What `pg` answers. */
interface NamedResult {
  rows: Record<string, unknown>[];
  rowCount: number | null;
}

/** The part of `pg`'s client that TypeORM does not hand on. */
interface NamingClient {
  query(statement: { name: string; text: string; values: unknown[] }): Promise<NamedResult>;
}

/** The name means nothing to this connection, or something else, or its plan no longer fits the tables. */
const UNUSABLE_NAME = new Set<unknown>([
  '26000', // invalid_sql_statement_name
  '42P05', // duplicate_prepared_statement
  '0A000', // feature_not_supported: cached plan must not change result type
]);

/**
 * Statements that PostgreSQL keeps parsed and planned on each connection under their names, which TypeORM has no
 * way to say: planning costs more than running them.
 *
 * Poolers that hand out other connections within a session without telling of names (PgBouncer before 1.21) make such a
 * statement fail before it does anything. It is then sent without its name, and so are all later ones.
 */
export class NamedStatements {
  private refused = false;

  constructor(private readonly dataSource: DataSource) {}

  /** The result of a statement that has a name, or `null` where it has to be sent without. */
  async run(runner: QueryRunner, { name, text, parameters }: RenderedSql): Promise<NamedResult | null> {
    if (name === undefined || this.refused || !namesReach(this.dataSource)) return null;
    const { logger } = this.dataSource;
    const client = (await runner.connect()) as NamingClient;
    logger.logQuery(text, parameters, runner);
    try {
      return await client.query({ name, text, values: parameters });
    } catch (error) {
      logger.logQueryError(error as Error, text, parameters, runner);
      if (!UNUSABLE_NAME.has((error as { code?: unknown }).code))
        throw new QueryFailedError(text, parameters, error as Error);
      this.refused = true;
      return null;
    }
  }
}

/** With `pg` itself, and where nobody but the logger is to be told of statements: only `query()` tells the others. */
function namesReach({ options, subscribers }: DataSource): boolean {
  if (options.type !== 'postgres' || options.driver !== undefined) return false;
  if (options.maxQueryExecutionTime !== undefined) return false;
  return !subscribers.some((each) => each.beforeQuery !== undefined || each.afterQuery !== undefined);
}
