import type { DataSource, QueryRunner } from 'typeorm';

const GIVEN_UP = new WeakMap<DataSource, Set<QueryRunner>>();

/** Remembers the query runner of a statement that outlived its deadline, until the statement is `done`. */
export function rememberGivenUp(dataSource: DataSource, runner: QueryRunner, done: Promise<unknown>): void {
  const runners = GIVEN_UP.get(dataSource) ?? new Set();
  GIVEN_UP.set(dataSource, runners.add(runner));
  const forget = () => void runners.delete(runner);
  done.then(forget, forget);
}

/**
 * Cuts the connections of statements that were given up and still run, when the application closes. `mysql2` would wait
 * for them before it closes its pool, so that one lock could hold up a shutdown. (`pg` cuts them itself.)
 */
export async function endGivenUp(dataSource: DataSource): Promise<void> {
  for (const runner of GIVEN_UP.get(dataSource) ?? []) {
    const connection = (await runner.connect()) as { destroy?: () => void };
    if (dataSource.options.type !== 'postgres') connection.destroy?.();
  }
}
