/**
 * A host's user id as the string that is stored, or `null` when it cannot be one: empty, over 255
 * characters, with outer white space (which MariaDB's comparisons ignore), NUL, or not well-formed Unicode.
 */
export function toUserId(id: unknown): string | null {
  if (typeof id === 'number') return Number.isSafeInteger(id) ? String(id) : null;
  if (typeof id !== 'string' || id === '' || id.length > 255) return null;
  return id.trim() === id && !id.includes('\0') && id.isWellFormed() ? id : null;
}
