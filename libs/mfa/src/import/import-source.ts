/** A table or view to be read, and under which name which of its columns is wanted. */
export interface SourceTable {
  /** May be qualified: `schema.table`. */
  table: string;
  /** By the name that rows will have it under. `userId` is always among them. */
  columns: Readonly<Record<string, string>> & { readonly userId: string };
}

/** A row of a foreign table; what stands in it is believed only after a check. */
export type SourceRow = Readonly<Record<string, unknown>>;

/** A user id as the driver answered it: it is asked for in the same form again. */
export type SourceKey = string | number;

/** Storage port of the tables that are imported from. Reads only. */
export abstract class MfaImportSource {
  /** @throws MfaError `MFA_MISCONFIGURED` when the table or one of the columns is missing or cannot be read */
  abstract check(table: SourceTable): Promise<void>;

  /** How many rows the table has, and how many of them name no user. */
  abstract count(table: SourceTable): Promise<{ rows: number; withoutUser: number }>;

  /** @throws MfaError `MFA_MISCONFIGURED` when a user has several rows */
  abstract requireOneRowEach(table: SourceTable): Promise<void>;

  /** Up to `limit` rows in the order of their user ids, after the one given; `null` = from the beginning. */
  abstract page(table: SourceTable, after: SourceKey | null, limit: number): Promise<SourceRow[]>;

  /** All rows of these users. */
  abstract rowsOf(table: SourceTable, userIds: readonly SourceKey[]): Promise<SourceRow[]>;
}
