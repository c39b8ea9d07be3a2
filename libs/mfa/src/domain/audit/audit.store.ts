/** The event of a change, as the UPDATE of the account row stores it. */
export interface LastChange {
  /** The id of its row in the audit table. */
  id: string;
  /** The event as JSON. */
  event: string;
}

/** `started` = written before a change; it stays so if the process ended, or the change failed. */
export type AuditState = 'started' | 'done';

/** A row of the audit table. */
export interface AuditRow extends LastChange {
  userId: string;
  state: AuditState;
}

export interface AuditQuery {
  /** Left out = every user. */
  userId?: string | undefined;
  /** Only rows that are older than the one with this id. */
  after?: string | undefined;
  limit: number;
}

/** What replaces a user id. */
export interface Pseudonymisation {
  pseudonym: string;
  /** The id of the row that becomes `done`. Empty = none. */
  finishedId: string;
  /** Parts of the JSON of events, each with what replaces it. */
  replacements: readonly (readonly [text: string, replacement: string])[];
}

/** Storage port of the audit table. Every method is one statement unless its docstring differs. */
export abstract class MfaAuditStore {
  /**
   * Inserts a row. If it is there already, one that is `done` marks it as `done`.
   * @param options `patient` = it waits as long as the database needs, so that a queue of rows uses one connection;
   * `requiresAccount` = it inserts nothing if the user has no account
   */
  abstract add(row: AuditRow, options?: { patient?: boolean; requiresAccount?: boolean }): Promise<void>;

  /** Marks a row as `done`. It waits as long as the database needs. */
  abstract finish(id: string): Promise<void>;

  /** Copies the last change of the account into the table, and clears it. It can be repeated. Two statements. */
  // S121
  abstract copyLastChange(userId: string): Promise<void>;

  /** Up to `limit` users whose last change was not copied, the oldest change first. */
  abstract listUncopied(limit: number): Promise<string[]>;

  /** Newest first. */
  abstract list(query: AuditQuery): Promise<AuditRow[]>;

  /** The events of the user whose JSON contains the text. It must not contain `%`, `_` and `\\`. */
  abstract listContaining(userId: string, text: string): Promise<string[]>;

  /** Replaces the user id in every row of the user, and marks one row as `done`, also if another purge was first. */
  abstract pseudonymise(userId: string, change: Pseudonymisation): Promise<void>;

  /** Removes up to `limit` rows that are older than `beforeMs`, oldest first. Returns how many it removed. */
  abstract purge(beforeMs: number, limit: number): Promise<number>;
}

const AUDIT_ID = /^\d{13}[0-9a-f]{16}$/;
const COUNTER_SIZE = 0x1_0000;
let counter = 0;

/** A new id: 13 digits of the time in milliseconds, a counter of this process, and 48 random bits. Ids sort by time. */
export function auditId(nowMs: number, random: Buffer): string {
  counter = (counter + 1) % COUNTER_SIZE;
  return `${timePrefix(nowMs)}${counter.toString(16).padStart(4, '0')}${random.toString('hex')}`;
}

/** Whether a value has the form of {@link auditId}. */
export function isAuditId(value: unknown): value is string {
  return typeof value === 'string' && AUDIT_ID.test(value);
}

/** The beginning of every id of this time. */
export function timePrefix(timeMs: number): string {
  return String(Math.max(0, Math.trunc(timeMs))).padStart(13, '0');
}
