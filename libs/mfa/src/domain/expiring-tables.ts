/** Storage port for tables of the host whose rows expire; `T` says which table, in the adapter's terms. */
export abstract class MfaExpiringTables<T = object> {
  /** Removes up to `limit` expired rows; answers how many. */
  abstract purge(table: T, nowMs: number, limit: number): Promise<number>;
}
