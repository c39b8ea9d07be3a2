import type { MfaAccount } from '../accounts/account.js';

/** The form of an id. Printable ASCII, because a database may compare other characters as equal. */
export const POLICY_ID = /^[\x21-\x7E]{1,64}$/;

/** Whether a user must have a second factor, from when, and which. */
export interface Policy {
  id: string;
  required: boolean;
  /** Milliseconds from the first login under this policy until it is enforced. */
  graceMs: number;
  /** It is enforced from this time at the latest, in epoch milliseconds. `null` = only `graceMs` counts. */
  deadlineMs: number | null;
  /** Methods that fulfil the policy. `null` = every method. */
  methods: readonly string[] | null;
  /** Whether a backup code passes a second step. */
  backupCodes: boolean;
  /** Whether a trusted device replaces the second step. */
  trustedDevices: boolean;
}

/** What decides which methods a login may use. */
export interface LoginRules {
  /** `null` = there is none. */
  policy: Policy | null;
  /** The method that was the first factor of this login. It cannot be the second one, too. */
  firstFactor?: string | undefined;
}

/** When the policy is enforced for a user, in epoch milliseconds. Derived at each decision, so a change applies at once. */
// S101
export function enforcedFromMs({ graceMs, deadlineMs }: Policy, firstSeenAtMs: number): number {
  return Math.min(firstSeenAtMs + graceMs, deadlineMs ?? Infinity);
}

/** Whether a factor of this method fulfils the rules. */
export function isAllowed(method: string, { policy, firstFactor }: LoginRules): boolean {
  return method !== firstFactor && (!policy?.methods || policy.methods.includes(method));
}

/** Whether the user has a factor that fulfils the rules. */
export function hasAllowedFactor({ activeFactors }: Pick<MfaAccount, 'activeFactors'>, rules: LoginRules): boolean {
  return activeFactors.some(({ type }) => isAllowed(type, rules));
}

/**
 * Whether a proof of this method passes a second step. A method that the policy does not allow passes only for a user who
 * has no allowed factor.
 */
export function isAccepted(method: string, account: Pick<MfaAccount, 'activeFactors'>, rules: LoginRules): boolean {
  const { policy, firstFactor } = rules;
  if (method === firstFactor) return false;
  if (method === 'backup_code') return policy?.backupCodes !== false;
  if (method === 'recovery_code') return true;
  return isAllowed(method, rules) || !hasAllowedFactor(account, rules);
}
