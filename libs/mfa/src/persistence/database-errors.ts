/**
 * What a driver says when nothing was written and the same statement may succeed in a moment:
 * PostgreSQL SQLSTATEs, MySQL/MariaDB error numbers, SQLite result codes (S30).
 */
const RETRIABLE = new Set<unknown>([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '25P02', // in_failed_sql_transaction: the pool handed out a connection with a broken transaction
  1205, // ER_LOCK_WAIT_TIMEOUT
  1213, // ER_LOCK_DEADLOCK
  1020, // ER_CHECKREAD: record has changed since last read
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
  'SQLITE_BUSY_RECOVERY',
  'SQLITE_LOCKED',
  'SQLITE_LOCKED_SHAREDCACHE',
]);

const UNIQUE_VIOLATIONS = new Set<unknown>([
  '23505', // unique_violation
  1062, // ER_DUP_ENTRY
  'SQLITE_CONSTRAINT_PRIMARYKEY',
  'SQLITE_CONSTRAINT_UNIQUE',
]);

/** The database or the driver's pool has no connection to give at the moment. */
const EXHAUSTED = new Set<unknown>([
  '53300', // PostgreSQL too_many_connections
  1040, // ER_CON_COUNT_ERROR
  1203, // ER_TOO_MANY_USER_CONNECTIONS
]);

/** The server itself ended the statement for taking too long. It wrote nothing; more of the same would load it more. */
const CUT_OFF = new Set<unknown>([
  '57014', // PostgreSQL query_canceled: statement_timeout
  '55P03', // PostgreSQL lock_not_available: lock_timeout
  1969, // MariaDB ER_STATEMENT_TIMEOUT: max_statement_time
  3024, // MySQL ER_QUERY_TIMEOUT: max_execution_time
]);

/** Some SQLite drivers name only the class of an error in its code; pools give no code at all. */
const UNIQUE_MESSAGE = /UNIQUE constraint failed/;
const LOCKED_MESSAGE = /database (table )?is locked/;
const EXHAUSTED_MESSAGE = /timeout exceeded when trying to connect|Queue limit reached/;

/** Whether the statement failed for a moment only. It wrote nothing; this is never a success (S30). */
export function isRetriable(error: unknown): boolean {
  return matches(error, RETRIABLE, LOCKED_MESSAGE);
}

/** Whether the row was there already. */
export function isUniqueViolation(error: unknown): boolean {
  return matches(error, UNIQUE_VIOLATIONS, UNIQUE_MESSAGE);
}

/** Whether no connection was to be had. */
export function isPoolExhausted(error: unknown): boolean {
  return matches(error, EXHAUSTED, EXHAUSTED_MESSAGE);
}

/** Whether the server ended the statement at a deadline of its own. */
export function isCutOff(error: unknown): boolean {
  return matches(error, CUT_OFF);
}

interface DriverError {
  code?: unknown;
  errno?: unknown;
  message?: unknown;
  /** Where TypeORM's QueryFailedError keeps the driver's own error. */
  driverError?: DriverError;
}

function matches(error: unknown, codes: ReadonlySet<unknown>, message?: RegExp): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, errno, message: text } = (error as DriverError).driverError ?? (error as DriverError);
  return codes.has(code) || codes.has(errno) || (typeof text === 'string' && message?.test(text) === true);
}
