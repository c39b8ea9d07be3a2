import argon2 from 'argon2';

/** Argon2id with OWASP's first recommendation: 19 MiB, two passes. */
const COST = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export function hashPassword(password: string): Promise<string> {
  return argon2.hash(password, COST);
}

/** Verified for accounts that do not exist, so that they cost the caller the same time as those that do. */
const nobody = hashPassword('');

/** Whether `password` is the one behind `hash`; `undefined` (no such account) costs the same and is never right. */
export async function passwordMatches(hash: string | undefined, password: string): Promise<boolean> {
  const matches = await argon2.verify(hash ?? (await nobody), password);
  return hash !== undefined && matches;
}
