/** The number of rows that one purge removed, by kind. */
export interface MfaPurgeReport {
  usage: number;
  authenticators: number;
  backupSets: number;
  passkeys: number;
  /** Trusted devices. */
  devices: number;
  /** Events that were older than the option `audit.retentionDays`. */
  audit: number;
  /** Rows of the tables in the option `cleanup.tables`. */
  hostRows: number;
}
