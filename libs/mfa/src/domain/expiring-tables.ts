/** Storage port for tables of the host whose rows expire. `T` is the adapter's type that identifies a table. */
export abstract class MfaExpiringTables<T = object> {
  /** Removes up to `limit` expired rows. Returns their number. */
  abstract purge(table: T, nowMs: number, limit: number): Promise<number>;
}
