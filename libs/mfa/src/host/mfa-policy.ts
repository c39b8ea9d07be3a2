import type { MfaMethod } from './mfa-method.js';

/** Whether users must have a second factor, from when, and which. A property with the value `null` counts as left out. */
export interface MfaPolicy {
  /**
   * Name of the policy, 1 to 64 printable ASCII characters. The module stores when a user first signed in under it, so a new
   * id starts a new grace time.
   */
  id: string;
  /** Whether users must have a factor of `methods`. */
  required: boolean;
  /**
   * Seconds from the user's first login under this policy until it is enforced. A change applies at once.
   * @default 0; without a limit if `deadline` is given
   */
  graceSeconds?: number | null | undefined;
  /** It is enforced from this time at the latest: a `Date`, or ISO 8601 text with a time zone. */
  deadline?: Date | string | null | undefined;
  /**
   * Methods that fulfil the policy. A user who has a factor of them cannot sign in with another method.
   * @default every method
   */
  methods?: readonly MfaMethod[] | null | undefined;
  /** Whether backup codes pass a second step. @default true */
  backupCodes?: boolean | null | undefined;
  /** Whether a trusted device replaces the second step. Needs the option `trustedDevices`. @default true */
  trustedDevices?: boolean | null | undefined;
}

/** Why a user enrolls within a login: a policy requires it, or an administrator reset the factors. */
export type MfaEnrollmentReason = 'policy' | 'reset';
