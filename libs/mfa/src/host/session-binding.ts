import { createHash } from 'node:crypto';
import { toUserId } from '../domain/accounts/account.js';
import type { KnownPrincipal } from './known-principal.js';
import type { MfaPrincipal } from './mfa-host.js';
import { requireSession } from './require-principal.js';

/**
 * Binds a pending setup or a WebAuthn challenge to a session: SHA-256 (hex) of the session's id, else of the time of its
 * sign-in. `null` means that the host gives neither.
 */
// S79, S80
export function sessionBinding({
  sessionId,
  authenticatedAt,
}: Pick<KnownPrincipal, 'sessionId' | 'authenticatedAt'>): string | null {
  if (sessionId !== undefined) return sha256(sessionId);
  return authenticatedAt === undefined ? null : sha256(authenticatedAt.toISOString());
}

/** A user, and the properties that identify the session. */
export type SessionOf = Pick<KnownPrincipal, 'sessionId' | 'authenticatedAt'> & { userId: string | null };

/** The user and the session of a principal. An id alone names no session; `userId: null` = an unusable id. */
export function sessionOf(user: MfaPrincipal | string | number, sessionId?: string): SessionOf {
  // A value of another type is an unusable id.
  if (typeof user !== 'object' || user === null)
    return { userId: toUserId(user), sessionId, authenticatedAt: undefined };
  return requireSession(user);
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
