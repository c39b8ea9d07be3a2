import type { Response } from 'supertest';
import type { HostAppSetup } from './host-app.js';

/** How many statements a request ran. A statement writes if any part of it does. */
export interface StatementCount {
  status: number;
  total: number;
  writing: number;
}

/** Counts statements by the DataSource's own logger. */
export class StatementCounts {
  private readonly run: string[] = [];

  /** For the `dataSource` of a test application. */
  readonly dataSource: HostAppSetup['dataSource'] = {
    logging: true,
    logger: {
      logQuery: (query: string) => void this.run.push(query),
      logQueryError: () => undefined,
      logQuerySlow: () => undefined,
      logSchemaBuild: () => undefined,
      logMigration: () => undefined,
      log: () => undefined,
    },
  };

  async of(act: () => PromiseLike<Response>): Promise<StatementCount> {
    this.run.length = 0;
    const { status } = await act();
    const writing = this.run.filter((query) => /\b(INSERT|UPDATE|DELETE)\b/.test(query)).length;
    return { status, total: this.run.length, writing };
  }
}
