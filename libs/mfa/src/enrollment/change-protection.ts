import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { Factor } from '../domain/factors/factor.js';

/**
 * Whether the user has a factor that protects changes of the factors, such as a passkey. Only such a factor or a backup
 * code then proves a change, because a phished TOTP code must not enroll a phishing-resistant factor.
 */
// S84
export function isProtected(snapshot: AccountSnapshot, factors: readonly Factor[]): boolean {
  return factors.some((factor) => factor.protectsChanges && factor.isAvailable(snapshot));
}
