import { createHash } from 'node:crypto';
import type { KnownPrincipal } from '../host/known-principal.js';

/**
 * Binds a pending setup to the session that began it: SHA-256 (hex) of the session's id, else of the time of its sign-in.
 * `null` means that the host gives neither.
 */
// S79
export function setupBinding({
  sessionId,
  authenticatedAt,
}: Pick<KnownPrincipal, 'sessionId' | 'authenticatedAt'>): string | null {
  if (sessionId !== undefined) return sha256(sessionId);
  return authenticatedAt === undefined ? null : sha256(authenticatedAt.toISOString());
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
