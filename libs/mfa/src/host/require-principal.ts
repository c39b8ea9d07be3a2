import { MfaError } from '../domain/mfa-error.js';
import { knownPrincipal, type KnownPrincipal } from './known-principal.js';
import type { MfaPrincipal } from './mfa-host.js';

/** What tells the session of a principal from others. */
export type MfaSessionOf = Pick<MfaPrincipal, 'userId' | 'sessionId' | 'authenticatedAt'>;

/** @throws MfaError `MFA_NOT_AUTHENTICATED` for an unusable user id */
export function requirePrincipal(principal: MfaPrincipal): KnownPrincipal {
  const found = knownPrincipal(principal);
  if (!found) throw new MfaError('MFA_NOT_AUTHENTICATED');
  return found;
}

/** The same for callers that need no account name. */
export function requireSession({ userId, sessionId, authenticatedAt }: MfaSessionOf): KnownPrincipal {
  return requirePrincipal({ userId, sessionId, authenticatedAt, accountName: '' });
}
