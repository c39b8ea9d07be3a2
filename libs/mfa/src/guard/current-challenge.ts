import type { ExecutionContext } from '@nestjs/common';
import type { MfaChallenge } from '../challenge/mfa-challenge.js';
import { MfaException } from '../errors/mfa.exception.js';

/** The challenge of each request. It is not a property of the request, so a client or the host cannot set it. */
const challenges = new WeakMap<object, MfaChallenge>();
/** Requests whose token was found unspent. */
const unspent = new WeakSet<object>();

/** @param checked whether the token was checked in the database: neither spent nor revoked */
export function setChallenge(
  context: ExecutionContext,
  challenge: MfaChallenge,
  { checked }: { checked: boolean },
): void {
  const request = context.switchToHttp().getRequest<object>();
  challenges.set(request, challenge);
  if (checked) unspent.add(request);
}

/** Whether a guard has checked the token of this request in the database. */
export function hasCheckedChallenge(context: ExecutionContext): boolean {
  return context.getType() === 'http' && unspent.has(context.switchToHttp().getRequest<object>());
}

/**
 * Returns the challenge of the request.
 * @throws MfaException `MFA_TOKEN_INVALID` if no guard has read one
 */
export function challengeOf(context: ExecutionContext): MfaChallenge {
  const challenge = challenges.get(context.switchToHttp().getRequest<object>());
  if (!challenge) throw new MfaException('MFA_TOKEN_INVALID');
  return challenge;
}
