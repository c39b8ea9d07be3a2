/** A table or view to read, with the columns to read. */
export interface SourceTable {
  /** May be qualified: `schema.table`. */
  table: string;
  /** Column names by the field names of {@link SourceRow}. `userId` is required. */
  columns: Readonly<Record<string, string>> & { readonly userId: string };
}

/** A row of a foreign table. Its values are not validated yet. */
export type SourceRow = Readonly<Record<string, unknown>>;

/** A user id as the driver returned it. Later queries use the same form. */
export type SourceKey = string | number;

/** Storage port of the tables that are imported from. Reads only. */
export abstract class MfaImportSource {
  /** @throws MfaError `MFA_MISCONFIGURED` when the table or one of the columns is missing or cannot be read */
  abstract check(table: SourceTable): Promise<void>;

  /** How many rows the table has, and how many of them name no user. */
  abstract count(table: SourceTable): Promise<{ rows: number; withoutUser: number }>;

  /** @throws MfaError `MFA_MISCONFIGURED` when a user has several rows */
  abstract requireOneRowEach(table: SourceTable): Promise<void>;

  /** Up to `limit` rows ordered by user id, after the given one. `null` = from the beginning. */
  abstract page(table: SourceTable, after: SourceKey | null, limit: number): Promise<SourceRow[]>;

  /** All rows of these users. */
  abstract rowsOf(table: SourceTable, userIds: readonly SourceKey[]): Promise<SourceRow[]>;
}
