import type { ExecutionContext } from '@nestjs/common';
import type { MfaChallenge } from '../challenge/mfa-challenge.js';
import { MfaException } from '../errors/mfa.exception.js';

/** Beside the request and not on it, so that nothing a client or a host sets on a request can pass for a challenge. */
const challenges = new WeakMap<object, MfaChallenge>();
/** Requests whose token was found unspent. */
const unspent = new WeakSet<object>();

/** @param checked whether the token is known to be neither spent nor revoked */
export function setChallenge(
  context: ExecutionContext,
  challenge: MfaChallenge,
  { checked }: { checked: boolean },
): void {
  const request = context.switchToHttp().getRequest<object>();
  challenges.set(request, challenge);
  if (checked) unspent.add(request);
}

/** Whether a guard has checked the token of this very request, its state included. */
export function hasCheckedChallenge(context: ExecutionContext): boolean {
  return context.getType() === 'http' && unspent.has(context.switchToHttp().getRequest<object>());
}

/** @throws MfaException `MFA_TOKEN_INVALID` where no guard has checked one */
export function challengeOf(context: ExecutionContext): MfaChallenge {
  const challenge = challenges.get(context.switchToHttp().getRequest<object>());
  if (!challenge) throw new MfaException('MFA_TOKEN_INVALID');
  return challenge;
}
