/** Values of `amr` that describe the newest proof only (RFC 8176 §2). */
const OF_THE_PROOF = ['hwk', 'swk', 'user', 'otp', 'mfa'];

/**
 * `amr` of a session after a second factor: the values of its sign-in, without those of an earlier proof, and the values
 * of the new proof. So a session never claims a stronger factor than its newest proof.
 */
// S49, S87
export function amrAfterProof(session: readonly string[] | null | undefined, proof: readonly string[]): string[] {
  return [...new Set([...(session ?? []).filter((value) => !OF_THE_PROOF.includes(value)), ...proof])];
}
