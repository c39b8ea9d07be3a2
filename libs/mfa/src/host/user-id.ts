/**
 * Converts a user id of the host to the string that is stored. Returns `null` for an unusable id: empty, over 255
 * characters, with outer white space (MariaDB ignores it in comparisons), with NUL, or not well-formed Unicode.
 */
export function toUserId(id: unknown): string | null {
  if (typeof id === 'number') return Number.isSafeInteger(id) ? String(id) : null;
  if (typeof id !== 'string' || id === '' || id.length > 255) return null;
  return id.trim() === id && !id.includes('\0') && id.isWellFormed() ? id : null;
}

/**
 * Like {@link toUserId}, for an id that the host passes in its own code. An unusable id is then a programming error.
 * @throws TypeError for an unusable id
 */
export function requireUserId(id: unknown, caller: string): string {
  const known = toUserId(id);
  if (known !== null) return known;
  throw new TypeError(
    `${caller}: the user id must be a non-empty string of at most 255 characters without outer white space, or a safe integer`,
  );
}
