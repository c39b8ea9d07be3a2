import { type AccountSnapshot, activeAuthenticators, activeIdsOf, isEnabled } from '../accounts/account.js';
import { retryAfterSeconds } from '../attempts/attempt-budget.js';
import type { VerificationAttempt, VerificationClaim } from './verification.store.js';

/**
 * Whether MFA is enabled for exactly this user, at the claimed security stamp, and the mfa_token that the snapshot
 * was asked about is not spent.
 */
// S42
export function claimHolds(
  { account, tokenSpent }: Pick<AccountSnapshot, 'account' | 'tokenSpent'>,
  { userId, securityStamp }: Pick<VerificationClaim, 'userId' | 'securityStamp'>,
): boolean {
  return (
    account.userId === userId &&
    isEnabled({ account }) &&
    (securityStamp === undefined || account.securityStamp === securityStamp) &&
    // `tokenSpent` is false where the snapshot was not asked about a token.
    !tokenSpent
  );
}

/**
 * Whether the account has a confirmed factor of this type, and a confirmed authenticator that generates codes of this
 * length. `true` for what the attempt leaves out.
 */
// S55
export function shapeFits(
  snapshot: AccountSnapshot,
  { digits, type }: Pick<VerificationAttempt, 'digits' | 'type'>,
): boolean {
  return (
    (type === undefined || activeIdsOf(type, snapshot.account.activeFactors).length > 0) &&
    (digits === undefined || activeAuthenticators(snapshot).some((each) => each.digits === digits))
  );
}

/** Whether the attempt may be counted and evaluated, according to the snapshot. The reservation makes the final decision. */
export function mayAttempt(snapshot: AccountSnapshot, attempt: VerificationAttempt): boolean {
  const { budget, policy, nowMs } = attempt;
  return (
    claimHolds(snapshot, attempt) &&
    shapeFits(snapshot, attempt) &&
    (budget === null || retryAfterSeconds(snapshot.account.budgets[budget], policy, nowMs) === null)
  );
}
