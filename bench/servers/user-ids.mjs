/** Ids that every process of the benchmark can tell from a number alone. */

/** The id of the nth user. */
export const userIdOf = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** The id of the one authenticator of a user made in bulk. */
export const authenticatorIdOf = (userId) => `a${userId.slice(1)}`;
