/** Tolerated difference between the clocks of two instances, in milliseconds. With a larger one, a deleted step could be accepted again. */
export const CLOCK_SKEW_MS = 10 * 60 * 1000;

/**
 * The time, in epoch milliseconds, until which a spent step must stay stored: until no clock within {@link CLOCK_SKEW_MS}
 * accepts it (RFC 6238 §5.2).
 */
// S27, S61
export function spentUntilMs(spent: { step: number; periodSeconds: number; window: number }): number {
  return (spent.step + spent.window + 1) * spent.periodSeconds * 1000 + CLOCK_SKEW_MS;
}
