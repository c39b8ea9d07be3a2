/** The number of rows that one purge removed, by kind. */
export interface MfaPurgeReport {
  usage: number;
  authenticators: number;
  backupSets: number;
  passkeys: number;
  /** Rows of the tables in the option `cleanup.tables`. */
  hostRows: number;
}
