import type { MfaStepUp } from '../host/mfa-host.js';

/** Beside the step-up and not in it, because hosts receive that. */
const STAMPS = new WeakMap<MfaStepUp, number>();

/** Remembers the security stamp of the account under which a factor was proved. */
export function provedAt<T extends MfaStepUp>(securityStamp: number, proved: T): T {
  STAMPS.set(proved, securityStamp);
  return proved;
}

/** The security stamp that {@link provedAt} remembered. */
export function provedStamp(proved: MfaStepUp): number {
  return STAMPS.get(proved) ?? NaN;
}
