import { MfaError } from '../domain/mfa-error.js';
import { knownPrincipal, type KnownPrincipal } from './known-principal.js';
import type { MfaPrincipal } from './mfa-host.js';

/** The properties of a principal that identify its session. */
export type MfaSessionOf = Pick<MfaPrincipal, 'userId' | 'sessionId' | 'authenticatedAt' | 'amr'>;

/**
 * Converts a principal to its normal form.
 * @throws MfaError `MFA_NOT_AUTHENTICATED` for an unusable user id
 */
export function requirePrincipal(principal: MfaPrincipal): KnownPrincipal {
  const found = knownPrincipal(principal);
  if (!found) throw new MfaError('MFA_NOT_AUTHENTICATED');
  return found;
}

/** Like {@link requirePrincipal}, for callers that need no account name. */
export function requireSession({ userId, sessionId, authenticatedAt, amr }: MfaSessionOf): KnownPrincipal {
  return requirePrincipal({ userId, sessionId, authenticatedAt, amr, accountName: '' });
}
