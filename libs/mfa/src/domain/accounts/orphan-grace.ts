/** How long a written row may wait to be named by its account before it counts as garbage, in milliseconds. */
export const ORPHAN_GRACE_MS = 10 * 60 * 1000;
