/**
 * A host's user id as the string that is stored, or `null` when it cannot be one: empty, over 255
 * characters, with outer white space (which MariaDB's comparisons ignore), NUL, or not well-formed Unicode.
 */
export function toUserId(id: unknown): string | null {
  if (typeof id === 'number') return Number.isSafeInteger(id) ? String(id) : null;
  if (typeof id !== 'string' || id === '' || id.length > 255) return null;
  return id.trim() === id && !id.includes('\0') && id.isWellFormed() ? id : null;
}

/** The same for a caller that names a user by its own hand: what is no user id is its mistake, a TypeError. */
export function requireUserId(id: unknown, caller: string): string {
  const known = toUserId(id);
  if (known !== null) return known;
  throw new TypeError(
    `${caller}: the user id must be a non-empty string of at most 255 characters without outer white space, or a safe integer`,
  );
}
