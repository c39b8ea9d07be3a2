import type { MfaOptions, MfaTrustedDeviceOptions } from './mfa-options.js';
import { flag, group, misconfigured, whole } from './option-checks.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** The option `trustedDevices` with defaults. */
export interface ResolvedTrustedDevices {
  lifetimeMs: number;
  /** Devices that a user may have. */
  max: number;
  /** Whether the cookie has `Secure` and the prefix `__Host-`. */
  secure: boolean;
}

/**
 * Resolves the option `trustedDevices`. Returns `null` if it is left out: then no device is trusted.
 * @throws MfaError `MFA_MISCONFIGURED`
 */
export function resolveDevices(given: MfaOptions['trustedDevices']): ResolvedTrustedDevices | null {
  if (given === undefined || given === null) return null;
  const { lifetimeDays, max, cookie } = group<MfaTrustedDeviceOptions>('trustedDevices', given);
  return {
    lifetimeMs: whole('trustedDevices.lifetimeDays', lifetimeDays, 30, 1, 365) * DAY_MS,
    max: whole('trustedDevices.max', max, 10, 1, 50),
    secure: readSecure(flag('trustedDevices.cookie.secure', group('trustedDevices.cookie', cookie).secure, true)),
  };
}

/** Without `Secure`, everybody on the network reads the cookie, and a sibling domain can replace it. */
// S110
function readSecure(secure: boolean): boolean {
  if (secure || process.env.NODE_ENV !== 'production') return secure;
  throw misconfigured(
    'option `trustedDevices.cookie.secure: false` is for development over http. NODE_ENV is production: leave it out',
  );
}
