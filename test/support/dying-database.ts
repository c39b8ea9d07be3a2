import { StatementRunner } from '../../libs/mfa/src/persistence/statements/statement-runner.js';

type Connecting = (this: StatementRunner, ...args: never[]) => Promise<unknown>;

/**
 * Lets a process die at a statement: neither that one nor a later one reaches the database. A process that dies after a
 * statement is one that dies at the next.
 */
export async function dyingAt(statement: number, act: () => Promise<unknown>): Promise<boolean> {
  const prototype = StatementRunner.prototype as unknown as { withConnection: Connecting };
  const real = prototype.withConnection;
  let sent = 0;
  prototype.withConnection = async function (...args) {
    sent += 1;
    if (sent > statement) throw new Error('the process was killed');
    return real.apply(this, args);
  };
  try {
    await act();
  } finally {
    prototype.withConnection = real;
  }
  return sent > statement;
}
