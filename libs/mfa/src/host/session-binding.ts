import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
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

const UNBOUND =
  'MfaHost.principal returned neither `sessionId` nor `authenticatedAt`, so a pending setup is bound to no session: any session of the user can confirm it, and a repeated setup replaces it. Return `sessionId`';

/** {@link sessionBinding} for a setup. Warns once where the host names no session. */
@Injectable()
export class SetupBinding {
  private readonly logger = new Logger('nestjs-mfa');
  private warned = false;

  of(owner: KnownPrincipal): string | null {
    const binding = sessionBinding(owner);
    if (binding === null && !this.warned) this.logger.warn(UNBOUND);
    this.warned ||= binding === null;
    return binding;
  }
}

/** A user, and the properties that identify the session. */
export type SessionOf = Pick<KnownPrincipal, 'sessionId' | 'authenticatedAt' | 'amr'> & { userId: string | null };

/** The user and the session of a principal. An id alone names no session; `userId: null` = an unusable id. */
export function sessionOf(user: MfaPrincipal | string | number, sessionId?: string | null): SessionOf {
  if (typeof user === 'object' && user !== null) return requireSession(user);
  // A value of another type is an unusable id.
  const userId = toUserId(user);
  return userId === null ? NO_SESSION : requireSession({ userId, sessionId });
}

const NO_SESSION: SessionOf = { userId: null, sessionId: undefined, authenticatedAt: undefined, amr: undefined };

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
