/** Date and time of ISO 8601 with a time zone. Without a zone, the same text is another instant on another machine. */
const ISO_8601 = /^[+-]?\d{4,6}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)$/i;

/**
 * Reads a date of a principal: a `Date`, or ISO 8601 text. Returns `undefined` if it is left out, `null` if it is
 * unusable. A number is unusable, because it could count seconds or milliseconds.
 */
export function readPrincipalDate(value: unknown): Date | null | undefined {
  if (value === undefined || value === null) return undefined;
  const isText = typeof value === 'string' && ISO_8601.test(value);
  if (!isText && !(value instanceof Date)) return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}
