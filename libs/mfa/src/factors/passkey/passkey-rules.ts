/** The counter of a stored passkey, and of an assertion that is verified. */
export interface CounterReading {
  /** The counter that the passkey row has. */
  stored: number;
  /** The counter of the assertion. */
  received: number;
  /** Whether the passkey can be synchronised between devices. It then has no reliable counter. */
  backupEligible: boolean;
}

/**
 * `accept`: the key has no counter; its row must still have 0. `advance`: the row must still have the stored counter
 * when the received one is written (compare-and-swap). `record`: the received counter is written and decides nothing.
 * `clone`: the proof is refused, because another device may have the same key.
 */
export type CounterVerdict = 'accept' | 'advance' | 'record' | 'clone';

/** Compares the counter of a verified assertion with the stored one (WebAuthn Level 3 §6.1.1). */
// S83
export function counterVerdict({ stored, received, backupEligible }: CounterReading): CounterVerdict {
  if (backupEligible) return 'record';
  if (stored === 0 && received === 0) return 'accept';
  return received > stored ? 'advance' : 'clone';
}

/**
 * What `amr` gains by a passkey: `swk` for a synchronised key, else `hwk`, and `user` and `mfa` (RFC 8176 §2). `user` is
 * the test of user presence, which every accepted passkey response has passed.
 */
// S87
export function passkeyAmr({ backupEligible }: { backupEligible: boolean }): string[] {
  return [backupEligible ? 'swk' : 'hwk', 'user', 'mfa'];
}
