/** Clocks of several instances may differ by so much, in milliseconds, before a forgotten step could be accepted again. */
export const CLOCK_SKEW_MS = 10 * 60 * 1000;

/**
 * Until when a spent step must be remembered, in epoch milliseconds: as long as any clock within
 * {@link CLOCK_SKEW_MS} could accept it (RFC 6238 §5.2).
 */
// S27, S61
export function spentUntilMs(spent: { step: number; periodSeconds: number; window: number }): number {
  return (spent.step + spent.window + 1) * spent.periodSeconds * 1000 + CLOCK_SKEW_MS;
}
