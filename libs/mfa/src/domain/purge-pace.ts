/** Storage port: how fast the database may be cleaned without holding up everybody else. */
export abstract class MfaPurgePace {
  /** Rows that one statement removes at most. */
  abstract readonly largestBatch: number;
  /** How long to rest after each piece of work, in terms of the time that it took; 0 = only until others had a turn. */
  abstract readonly rest: number;
}
