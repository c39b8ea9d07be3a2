import { busyError } from '../mfa-error.js';

/** Each lost race means that another change of the same user succeeded. */
const MOST_TRIES = 12;

/**
 * Repeats an attempt as long as another change of the same account comes first.
 * @param attempt returns `null` if another change was first
 * @throws MfaError `MFA_BUSY` after 12 lost races
 */
export async function retryLostRaces<T>(attempt: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const result = await attempt();
    if (result !== null) return result;
  }
  throw busyError();
}
