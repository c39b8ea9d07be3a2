/** Storage port: how much the database may be told to clean at once without holding up everybody else. */
export abstract class MfaPurgePace {
  /** Rows that one statement removes at most. */
  abstract readonly largestBatch: number;
}
