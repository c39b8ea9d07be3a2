import { type AccountSnapshot, activeIdsOf } from '../domain/accounts/account.js';
import type { Factor } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';

/**
 * Whether the user has a factor that protects changes of the factors, such as a passkey. Only such a factor or a backup
 * code then proves a change, because a phished TOTP code must not enroll a phishing-resistant factor.
 */
// S84
export function isProtected(snapshot: AccountSnapshot, factors: readonly Factor[]): boolean {
  const { activeFactors } = snapshot.account;
  // The account row decides, also where this instance cannot verify the factor.
  return factors.some(
    ({ method, protectsChanges }) => protectsChanges && activeIdsOf(method, activeFactors).length > 0,
  );
}

/**
 * Checks at the commit of a change that the account is still the one for which the user gave a proof. A factor that
 * protects changes may have been confirmed since then, and a weaker proof does not count next to it.
 * @throws MfaError `MFA_CODE_REJECTED` if the account changed: a lost race
 */
// S84
export function requireAsProved(now: AccountSnapshot, proved: AccountSnapshot, factors: readonly Factor[]): void {
  const isAsProved =
    now.account.securityStamp === proved.account.securityStamp &&
    isProtected(now, factors) === isProtected(proved, factors);
  if (!isAsProved) throw new MfaError('MFA_CODE_REJECTED');
}
