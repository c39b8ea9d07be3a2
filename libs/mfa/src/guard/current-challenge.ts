import type { ExecutionContext } from '@nestjs/common';
import type { MfaChallenge } from '../challenge/mfa-challenge.js';
import { MfaHttpException } from '../errors/mfa-http.exception.js';

/** Beside the request and not on it, so that nothing a client or a host sets on a request can pass for a challenge. */
const challenges = new WeakMap<object, MfaChallenge>();

export function setChallenge(context: ExecutionContext, challenge: MfaChallenge): void {
  challenges.set(context.switchToHttp().getRequest<object>(), challenge);
}

/** Whether a guard has checked this very request. */
export function hasChallenge(context: ExecutionContext): boolean {
  return context.getType() === 'http' && challenges.has(context.switchToHttp().getRequest<object>());
}

/** @throws MfaHttpException `MFA_TOKEN_INVALID` where no guard has checked one */
export function challengeOf(context: ExecutionContext): MfaChallenge {
  const challenge = challenges.get(context.switchToHttp().getRequest<object>());
  if (!challenge) throw new MfaHttpException('MFA_TOKEN_INVALID');
  return challenge;
}
