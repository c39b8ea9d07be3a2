/** Milliseconds from the insert of a row until the cleanup may remove it, unless the account row names it by then. */
export const ORPHAN_GRACE_MS = 10 * 60 * 1000;
