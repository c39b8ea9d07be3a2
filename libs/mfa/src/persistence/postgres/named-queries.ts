import type { DataSource, QueryRunner } from 'typeorm';
import type { RenderedSql } from '../statements/sql.js';
import { type SendStatement, sendPlain } from '../statements/statement-runner.js';

/** A connection of `pg`. TypeORM gives it texts only; it also takes statements with a name. */
interface NamingClient {
  query(statement: unknown, ...rest: unknown[]): unknown;
}

/**
 * The name means nothing to this connection, or its plan no longer fits the tables: 26000
 * invalid_sql_statement_name, 0A000 "cached plan must not change result type", and class 42, the errors that
 * PostgreSQL finds while it parses a statement (42P05 duplicate_prepared_statement; 42883 where the types that a
 * name keeps for its parameters are not those of the columns any more).
 */
const UNUSABLE_NAME = /^(26000|0A000|42...)$/;

/**
 * Sends prepared statements by name, which TypeORM cannot. PostgreSQL keeps them parsed and planned on each connection.
 * Planning these statements costs more than running them: without names the two statements of a verification take 2.3 ms
 * instead of 0.9 ms on one connection (`scripts/measure-named-queries.mjs`). The targets of the benchmark need it.
 *
 * A pooler that does not know names (PgBouncer before 1.21) makes such a statement fail before it does anything. It is
 * then sent without its name, and so are all later ones.
 */
export class NamedQueries {
  private refused = false;

  constructor(private readonly dataSource: DataSource) {}

  /** Sends a statement, by its name where that is possible. */
  readonly send: SendStatement = (runner, statement) => this.run(runner, statement, () => sendPlain(runner, statement));

  private async run<T>(runner: QueryRunner, { name, text }: RenderedSql, send: () => Promise<T>): Promise<T> {
    const client: unknown = name === undefined || this.refused ? null : await runner.connect();
    if (!this.takesNames(client)) return send();
    try {
      return await naming(client, { name, text }, send);
    } catch (error) {
      if (!UNUSABLE_NAME.test(String((error as { driverError?: { code?: unknown } }).driverError?.code))) throw error;
      // It did nothing, since a statement happens wholly or not at all. Was the name not the reason, this fails alike.
      const result = await send();
      this.refused = true;
      return result;
    }
  }

  /** `pg` as TypeORM loads it; what a host puts in its place, or wraps around a connection, knows texts only. */
  private takesNames(client: unknown): client is NamingClient {
    const { options, driver } = this.dataSource;
    if (client === null || options.type !== 'postgres' || options.driver !== undefined) return false;
    const { Client } = (driver as { postgres?: { Client?: { prototype: NamingClient } } }).postgres ?? {};
    return Client !== undefined && (client as NamingClient).query === Client.prototype.query;
  }
}

/**
 * Replaces `query` of the borrowed `client` during `work`, so that it sends the statement of exactly this text under its
 * name. The statement still goes through TypeORM's query runner, so a host that wraps the runner still sees it.
 */
async function naming<T>(
  client: NamingClient,
  { name, text }: Pick<RenderedSql, 'name' | 'text'>,
  work: () => Promise<T>,
): Promise<T> {
  const { query } = client;
  client.query = (statement, ...rest) =>
    statement === text ? query.call(client, { name, text, values: rest[0] }) : query.call(client, statement, ...rest);
  try {
    return await work();
  } finally {
    // The one of its prototype shows again.
    delete (client as Partial<NamingClient>).query;
  }
}
