/** What the cleanup asks of the database beyond the stores. */
export interface HostTables {
  /** Rows that one statement of a purge removes at most. */
  largestPurge: number;
  /** Removes up to `limit` expired rows of a table of the option `cleanup.tables`; returns how many. */
  purge(table: object, nowMs: number, limit: number): Promise<number>;
}

/** Injection token of {@link HostTables}. */
export const HOST_TABLES = Symbol.for('nestjs-mfa:host-tables');
