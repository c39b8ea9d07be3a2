import type { MfaPrincipal } from './mfa-host.js';
import { toUserId } from './user-id.js';

/** A principal whose user id has become the stored string. */
export type KnownPrincipal = MfaPrincipal & { userId: string };

/** The principal with its id as it is stored, or `null` when that is none. */
export function knownPrincipal(principal: MfaPrincipal): KnownPrincipal | null {
  const userId = toUserId(principal.userId);
  if (userId === null) return null;
  // Read one by one, for a host's principal may be an instance whose accessors a spread would lose.
  const { accountName, mfaAt, amr, authenticatedAt } = principal;
  return { ...principal, userId, accountName, mfaAt, amr, authenticatedAt };
}
