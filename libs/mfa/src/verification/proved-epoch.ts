import type { MfaStepUp } from '../host/mfa-host.js';

/** Beside the step-up and not in it, because hosts receive that. */
const EPOCHS = new WeakMap<MfaStepUp, number>();

/** Remembers the epoch of the account under which a factor was proved. */
export function provedAt<T extends MfaStepUp>(epoch: number, proved: T): T {
  EPOCHS.set(proved, epoch);
  return proved;
}

/** The epoch that {@link provedAt} remembered. */
export function provedEpoch(proved: MfaStepUp): number {
  return EPOCHS.get(proved) ?? NaN;
}
