/**
 * The driver's error codes for a statement that wrote nothing and may succeed in a moment:
 * PostgreSQL SQLSTATEs, MySQL/MariaDB error numbers, SQLite result codes.
 */
// S30
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

/**
 * The database cannot be used at the moment: it shuts down, is read-only after a failover, has no connection or no
 * space left, or a node of a cluster is not ready.
 */
const UNAVAILABLE = new Set<unknown>([
  '25006', // PostgreSQL read_only_sql_transaction
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  1021, // ER_DISK_FULL
  1030, // ER_GET_ERRNO: an error of the storage engine
  1037, // ER_OUTOFMEMORY
  1038, // ER_OUT_OF_SORTMEMORY
  1040, // ER_CON_COUNT_ERROR
  1041, // ER_OUT_OF_RESOURCES
  1047, // ER_UNKNOWN_COM_ERROR: "WSREP has not yet prepared node for application use"
  1053, // ER_SERVER_SHUTDOWN
  1077, // ER_NORMAL_SHUTDOWN
  1079, // ER_SHUTDOWN_COMPLETE
  1114, // ER_RECORD_FILE_FULL
  1135, // ER_CANT_CREATE_THREAD
  1152, // ER_ABORTING_CONNECTION
  1158, // ER_NET_READ_ERROR
  1159, // ER_NET_READ_INTERRUPTED
  1160, // ER_NET_ERROR_ON_WRITE
  1161, // ER_NET_WRITE_INTERRUPTED
  1184, // ER_NEW_ABORTING_CONNECTION
  1203, // ER_TOO_MANY_USER_CONNECTIONS
  1226, // ER_USER_LIMIT_REACHED
  1290, // ER_OPTION_PREVENTS_STATEMENT: --read-only
  1317, // ER_QUERY_INTERRUPTED: KILL QUERY
  1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  1836, // ER_READ_ONLY_MODE
  1927, // MariaDB ER_CONNECTION_KILLED
  2002, // CR_CONNECTION_ERROR
  2003, // CR_CONN_HOST_ERROR
  2006, // CR_SERVER_GONE_ERROR
  2013, // CR_SERVER_LOST
  3100, // MySQL ER_RUN_HOOK_ERROR: a member of a group replication that cannot write
  3169, // MySQL ER_SESSION_WAS_KILLED
  4031, // MySQL ER_CLIENT_INTERACTION_TIMEOUT
  9001, // ProxySQL: no connection to the hostgroup
]);

/**
 * Whole classes of codes: PostgreSQL 08 connection_exception, 53 insufficient_resources, 57 operator_intervention and
 * 58 system_error; mysql2's errors of the protocol; Node's errors of streams and TLS; and what SQLite cannot do with
 * its file. (A corrupt file is not among them: it does not recover.)
 */
const UNAVAILABLE_CLASS =
  /^(08...|53...|57...|58...|PROTOCOL_.*|POOL_.*|ERR_STREAM_.*|ERR_SSL_.*|ERR_TLS_.*|SQLITE_(CANTOPEN|IOERR|READONLY|FULL|NOMEM|PROTOCOL|INTERRUPT|MISUSE)(_.*)?)$/;

/** TypeORM's own errors about a connection that is gone. */
const UNAVAILABLE_NAME =
  /^(QueryRunnerAlreadyReleased|QueryRunnerProviderAlreadyReleased|ConnectionIsNotSet|CannotExecuteNotConnected|DriverAlreadyReleased)Error$/;

/** The server itself ended the statement for taking too long. It wrote nothing; more of the same would load it more. */
const CUT_OFF = new Set<unknown>([
  '57014', // PostgreSQL query_canceled: statement_timeout
  '55P03', // PostgreSQL lock_not_available: lock_timeout
  1969, // MariaDB ER_STATEMENT_TIMEOUT: max_statement_time
  3024, // MySQL ER_QUERY_TIMEOUT: max_execution_time
]);

/** Some SQLite drivers name only the class of an error in its code; `pg`, `mysql2` and their pools often give no code. */
const UNIQUE_MESSAGE = /UNIQUE constraint failed/;
const LOCKED_MESSAGE = /database (table )?is locked/;
const UNAVAILABLE_MESSAGE = new RegExp(
  [
    'Connection terminated',
    'Connection lost',
    'connection is in closed state',
    "Can't write in closed state",
    'is not queryable',
    'Received unexpected',
    'Query read timeout',
    'timeout exceeded when trying to connect',
    'after calling end on the pool',
    'Pool is closed',
    'Queue limit reached',
    'No connections available',
    'Driver not Connected',
    'Connection is not established',
    'database connection is not open',
    'Database is closed',
    'unable to open database file',
    'disk I/O error',
    'readonly database',
    'database or disk is full',
    'WSREP has not yet prepared node',
  ].join('|'),
  'i',
);

/** Whether the statement failed for a moment only. It wrote nothing; this is never a success. */
// S30
export function isRetriable(error: unknown): boolean {
  return matches(error, RETRIABLE, LOCKED_MESSAGE);
}

/** Whether the row was there already. */
export function isUniqueViolation(error: unknown): boolean {
  return matches(error, UNIQUE_VIOLATIONS, UNIQUE_MESSAGE);
}

/**
 * Whether the database cannot be used at the moment: a lost or refused connection, a shutdown, a failover, a full disk.
 * The statement may have been committed before its connection was lost.
 */
export function isUnavailable(error: unknown): boolean {
  const { code, fatal, syscall, sqlState, name } = driverErrorOf(error);
  return (
    matches(error, UNAVAILABLE, UNAVAILABLE_MESSAGE) ||
    UNAVAILABLE_CLASS.test(String(code)) ||
    // mysql2 marks what ends its connection; Node names the call of the operating system that failed.
    fatal === true ||
    typeof syscall === 'string' ||
    String(sqlState).startsWith('08') ||
    UNAVAILABLE_NAME.test(String(name))
  );
}

/** Whether the server ended the statement at a deadline of its own. */
export function isCutOff(error: unknown): boolean {
  return matches(error, CUT_OFF);
}

/** Whether the statement certainly wrote nothing, and may succeed later. */
export function wroteNothing(error: unknown): boolean {
  return isCutOff(error) || (isRetriable(error) && !isUnavailable(error));
}

interface DriverError {
  code?: unknown;
  errno?: unknown;
  sqlState?: unknown;
  syscall?: unknown;
  fatal?: unknown;
  name?: unknown;
  message?: unknown;
  /** Where TypeORM's QueryFailedError keeps the driver's own error. */
  driverError?: DriverError;
}

function driverErrorOf(error: unknown): DriverError {
  const given = (typeof error === 'object' && error !== null ? error : {}) as DriverError;
  return given.driverError ?? given;
}

function matches(error: unknown, codes: ReadonlySet<unknown>, message?: RegExp): boolean {
  const { code, errno, message: text } = driverErrorOf(error);
  return codes.has(code) || codes.has(errno) || (typeof text === 'string' && message?.test(text) === true);
}
