/** The one source of time. Replace it in tests; nothing else reads the system clock. */
export abstract class MfaClock {
  /** Milliseconds since the Unix epoch. */
  abstract nowMs(): number;
}

export class SystemClock extends MfaClock {
  nowMs(): number {
    return Date.now();
  }
}
