import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import { busyError, isMfaError, MfaError } from '../../domain/mfa-error.js';
import { resolveTimeouts } from '../../options/resolve-options.js';
import { isCutOff, isUnavailable, wroteNothing } from './database-errors.js';
import { type RenderedSql, Sql, type SqlDialect, dialectOf, render } from './sql.js';
import { rememberGivenUp } from './given-up-statements.js';
import { logUnavailable } from './outage-log.js';

/** What is left out has the default of the option `timeouts`. */
export interface TypeOrmStoreOptions {
  /** Longest wait for a connection of the pool, in milliseconds, at least 1; then `MFA_BUSY`. */
  acquireTimeoutMs?: number;
  /** Longest wait for a statement to end, in milliseconds, at least 1; then `MFA_BUSY`. It may still take effect. */
  statementTimeoutMs?: number;
}

/** What a statement's deadline means where giving it up is not enough. */
export interface StatementDeadline<T> {
  /** Waits without a deadline, because only this caller can do what follows the result. @default false */
  patient?: boolean;
  /** Is given the result of a statement that was given up and succeeded after all. */
  whenLate?: (result: T) => unknown;
  /** Runs in the background when the result is `MFA_BUSY`, and it is certain that the statement wrote nothing. */
  whenUnwritten?: () => unknown;
}

/** Sends one statement and returns what the driver returned. */
export type SendStatement = (runner: QueryRunner, statement: RenderedSql) => Promise<unknown>;

/** The structured result is the only one that counts rows alike on every driver. */
export const sendPlain: SendStatement = (runner, { text, parameters }) => runner.query(text, parameters, true);

const ATTEMPTS = 8;
const FIRST_PAUSE_MS = 10;

/**
 * Runs single statements, each on a query runner of its own and therefore committed by itself: a
 * transaction that the host has open around the call, and may roll back, has no part in it.
 * (SQLite has one connection for all; see `checkSchema`.)
 */
// S34b, S52
export class StatementRunner {
  readonly dialect: SqlDialect;
  private readonly acquireTimeoutMs: number;
  private readonly statementTimeoutMs: number;

  constructor(
    private readonly dataSource: DataSource,
    options: TypeOrmStoreOptions = {},
    private readonly send: SendStatement = sendPlain,
  ) {
    this.dialect = dialectOf(dataSource);
    const defaults = resolveTimeouts();
    this.acquireTimeoutMs = options.acquireTimeoutMs ?? defaults.acquireTimeoutMs;
    this.statementTimeoutMs = options.statementTimeoutMs ?? defaults.statementTimeoutMs;
  }

  /** The result of one statement, {@link retried}. */
  async run(statement: Sql | RenderedSql, deadline?: StatementDeadline<StatementResult>): Promise<StatementResult> {
    const rendered = statement instanceof Sql ? render(statement, this.dialect) : statement;
    return this.retried((runner) => this.execute(runner, rendered), deadline);
  }

  /** Runs several statements in one transaction, {@link retried} as a whole. */
  async transaction<T>(
    work: (run: (statement: Sql) => Promise<StatementResult>) => Promise<T>,
    deadline?: StatementDeadline<T>,
  ): Promise<T> {
    return this.retried(async (runner) => {
      await runner.startTransaction();
      try {
        const result = await work((statement) => this.execute(runner, render(statement, this.dialect)));
        await runner.commitTransaction();
        return result;
      } catch (error) {
        await runner.rollbackTransaction().catch(() => undefined);
        throw error;
      }
    }, deadline);
  }

  /**
   * Does one statement's `work` on a connection outside every ambient transaction. What failed for a
   * moment only (deadlock, serialization, busy) wrote nothing and is tried again a few times; then it
   * is `MFA_BUSY`. A database that cannot be used is `MFA_BUSY` at once, since the statement may have been
   * committed before the connection was lost.
   */
  // S30
  async retried<T>(work: (runner: QueryRunner) => Promise<T>, deadline?: StatementDeadline<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.withConnection(work, deadline);
      } catch (error) {
        if (!wroteNothing(error)) throw isUnavailable(error) ? unavailable(error) : error;
        if (isCutOff(error) || attempt === ATTEMPTS) {
          inBackground(deadline?.whenUnwritten);
          throw busyError(error);
        }
      }
      // Full jitter, so that statements that collided do not collide again.
      await sleep(Math.random() * FIRST_PAUSE_MS * 2 ** attempt);
    }
  }

  /**
   * The same, once. A statement that outlives its deadline is given up: `MFA_BUSY`, and never tried again, since
   * it may still commit. What it reserves or spends then is spent, and no request was accepted for it.
   */
  // S29, S30
  async withConnection<T>(
    work: (runner: QueryRunner) => Promise<T>,
    { patient = false, whenLate, whenUnwritten }: StatementDeadline<T> = {},
  ): Promise<T> {
    const runner = await this.connect().catch((error: unknown) => {
      inBackground(whenUnwritten);
      throw error;
    });
    const done = workThenRelease(runner, work);
    if (patient) return done;
    let isOver = false;
    const note = () => void (isOver = true);
    done.then(note, note);
    try {
      return await within(this.statementTimeoutMs, done);
    } catch (error) {
      if (!isOver) {
        rememberGivenUp(this.dataSource, runner, done);
        const whenFailed = (late: unknown) => (wroteNothing(late) ? whenUnwritten?.() : undefined);
        done.then(whenLate, whenFailed).catch(() => undefined);
      }
      throw error;
    }
  }

  private async execute(runner: QueryRunner, statement: RenderedSql): Promise<StatementResult> {
    return requireResult(await this.send(runner, statement), statement.text);
  }

  /** A connected query runner. Whatever prevents a connection, the database cannot be used now: `MFA_BUSY`. */
  private async connect(): Promise<QueryRunner> {
    let runner: QueryRunner | undefined;
    let connecting: Promise<unknown> = Promise.resolve();
    try {
      runner = this.dataSource.createQueryRunner();
      // A query runner that the host wraps may return the connection itself.
      connecting = Promise.resolve(runner.connect());
      await within(this.acquireTimeoutMs, connecting);
      return runner;
    } catch (error) {
      // A connection that arrives too late must go back, or the pool loses it for ever.
      const release = () => runner?.release();
      connecting.then(release, release).catch(() => undefined);
      throw isMfaError(error) ? error : unavailable(error);
    }
  }
}

/**
 * The connection returns to the pool when its work is over, however late that is. So no other work gets it meanwhile. What
 * the work returned counts even where the connection cannot be given back, because it may have been committed.
 */
async function workThenRelease<T>(runner: QueryRunner, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  try {
    return await work(runner);
  } finally {
    await runner.release().catch(logUnavailable);
  }
}

/** Errors are ignored. */
function inBackground(work: (() => unknown) | undefined): void {
  Promise.resolve()
    .then(work)
    .catch(() => undefined);
}

/** The result of `promise`, or `MFA_BUSY` after `timeoutMs`. A rejection after that is ignored. */
function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(busyError()), timeoutMs);
    const settled =
      <V>(settle: (value: V) => void) =>
      (value: V) => {
        clearTimeout(timer);
        settle(value);
      };
    promise.then(settled(resolve), settled(reject));
  });
}

function unavailable(cause: unknown): MfaError {
  logUnavailable(cause);
  return busyError(cause);
}

export interface StatementResult {
  /** Rows written; 0 for a statement that only reads. */
  affected: number;
  records: Record<string, unknown>[];
}

const WRITE = /^(INSERT|UPDATE|DELETE)\b/;

/**
 * Returns TypeORM's structured result of the statement `text`. Throws `MFA_MISCONFIGURED` for anything else, such as
 * the bare rows of a query runner that was wrapped for two parameters: no rows must never be read out of it.
 */
// S43a
export function requireResult(result: unknown, text: string): StatementResult {
  const { records, affected } = (result ?? {}) as Partial<StatementResult>;
  if (!Array.isArray(records)) throw misunderstood('a result without an array of rows');
  if (WRITE.test(text) && !Number.isSafeInteger(affected)) throw misunderstood('no number of written rows');
  return { records, affected: affected ?? 0 };
}

/** The error for a result that this library cannot read. */
export function misunderstood(found: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', {
    message:
      `The DataSource of the MFA tables returned ${found}. A wrapper around its query runners must pass on all three ` +
      'parameters of `query`, and its driver must return text as strings: look for a type parser, a `typeCast` or a ' +
      '`charset` that changes them, or give MFA a DataSource of its own (option `dataSource`).',
  });
}
