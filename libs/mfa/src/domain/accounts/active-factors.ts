/** A confirmed factor, as the account row names it. */
export interface ActiveFactor {
  /** `totp`, `passkey`, or the `type` of a factor of the host. */
  type: string;
  id: string;
}

/** Parses `type:id` entries that are separated by commas. Unknown types are kept, so MFA stays required for them. */
export function parseActiveFactors(text: string): ActiveFactor[] {
  if (text === '') return [];
  return text.split(',').map((entry) => {
    const colon = entry.indexOf(':');
    return { type: entry.slice(0, Math.max(colon, 0)), id: entry.slice(colon + 1) };
  });
}

/** The inverse of {@link parseActiveFactors}. */
export function formatActiveFactors(factors: readonly ActiveFactor[]): string {
  return factors.map(({ type, id }) => `${type}:${id}`).join(',');
}

/** The ids of the confirmed factors of one type, oldest first. */
export function activeIdsOf(type: string, factors: readonly ActiveFactor[]): string[] {
  return factors.filter((factor) => factor.type === type).map(({ id }) => id);
}
