/**
 * Whether the backup codes of this set were imported from another system. The set id is the mark: our own sets have
 * random UUIDs (RFC 9562 version 4), and imported sets have deterministic UUIDs (version 8). The account row names the
 * set, so no column and no further statement is needed.
 *
 * The mark decides the cost of a guess and a hint in status. A changed mark can make codes fail, and makes no wrong code
 * match.
 */
export function isImportedSet(setId: string | null): boolean {
  return setId !== null && /^[0-9a-f]{8}-[0-9a-f]{4}-8/.test(setId);
}
