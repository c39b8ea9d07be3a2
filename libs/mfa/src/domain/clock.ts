/**
 * The only source of time; no other code of the library reads the system clock. Replace it in tests.
 * @example
 * // FixedClock is in nestjs-mfa/testing:
 * Test.createTestingModule({ imports: [AppModule] }).overrideProvider(MfaClock).useValue(new FixedClock());
 */
export abstract class MfaClock {
  /** Milliseconds since the Unix epoch. */
  abstract nowMs(): number;
}

export class SystemClock extends MfaClock {
  nowMs(): number {
    return Date.now();
  }
}

/** Tolerated difference between the clocks of two instances, in milliseconds. */
export const INSTANCE_SKEW_MS = 60_000;
