import type { DataSource } from 'typeorm';

interface Session {
  query(statement: string): void;
}

/** Sends a statement in each session of the pool of a MariaDB, also in those that it opens later. */
export function inEachSession({ driver }: DataSource, statement: string): void {
  const { pool } = driver as unknown as {
    pool: {
      on(event: 'connection', listener: (session: Session) => void): void;
      _allConnections: { length: number; get(index: number): Session };
    };
  };
  const apply = (session: Session) => session.query(statement);
  pool.on('connection', apply);
  const open = pool._allConnections;
  for (let i = 0; i < open.length; i += 1) apply(open.get(i));
}
