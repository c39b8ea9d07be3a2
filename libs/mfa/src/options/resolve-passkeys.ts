import { domainToASCII } from 'node:url';
import type { MfaOptions, MfaPasskeyOptions } from './mfa-options.js';
import { flag, group, list, misconfigured, oneOf, whole } from './option-checks.js';

/** The option `passkeys` with defaults. */
export interface ResolvedPasskeys {
  rpId: string;
  rpName: string;
  origins: readonly string[];
  userVerification: 'preferred' | 'required';
  max: number;
  protectChanges: boolean;
}

/** Letters, digits and hyphens (RFC 1034 §3.5). The last label is not a number, so an IP address is not a domain (WHATWG URL §3.5). */
const DOMAIN = /^(?=.{1,253}$)(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)*(?!\d+$|0x)[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;
/** An Android app: SHA-256 of its signing certificate in base64url. */
const ANDROID_ORIGIN = /^android:apk-key-hash:[\w-]{43}$/;
const NAME = /^[^\p{Cc}\p{Cs}]{1,64}$/u;

/**
 * Resolves the option `passkeys`. Returns `null` if it is left out: then there are no passkeys.
 * @throws MfaError `MFA_MISCONFIGURED`
 */
export function resolvePasskeys(given: MfaOptions['passkeys'], issuer: string): ResolvedPasskeys | null {
  if (given === undefined || given === null) return null;
  const options = group<MfaPasskeyOptions>('passkeys', given);
  const rpId = requireRpId(options.rpId);
  return {
    rpId,
    rpName: requireRpName(options.rpName ?? issuer),
    origins: requireOrigins(list('passkeys.origins', options.origins), rpId),
    userVerification: oneOf('passkeys.userVerification', options.userVerification ?? 'preferred', [
      'preferred',
      'required',
    ]),
    max: whole('passkeys.max', options.max, 10, 1, 20),
    protectChanges: flag('passkeys.protectChanges', options.protectChanges, true),
  };
}

function requireRpName(name: unknown): string {
  if (typeof name === 'string' && NAME.test(name) && name.trim() === name) return name;
  throw misconfigured(
    'option `passkeys.rpName` must be 1 to 64 characters without control characters and without outer spaces',
  );
}

/** A relying party id is a domain, and the page's domain is this one or below it (WebAuthn Level 3 §5.1.3). */
function requireRpId(rpId: unknown): string {
  if (typeof rpId === 'string' && DOMAIN.test(rpId) && (rpId.includes('.') || rpId === 'localhost')) return rpId;
  const problem =
    'option `passkeys.rpId` must be the domain of your application in lower case, such as example.com, or localhost: no scheme, no port, no path, no IP address';
  const ascii = typeof rpId === 'string' ? domainToASCII(rpId) : '';
  const isSpelling = DOMAIN.test(ascii) && ascii.includes('.');
  throw misconfigured(isSpelling ? `${problem}. Did you mean ${ascii}?` : problem);
}

function requireOrigins(origins: readonly unknown[], rpId: string): readonly string[] {
  if (origins.length === 0) {
    throw misconfigured(
      `option \`passkeys.origins\` must be a list of at least one origin, such as ['https://${rpId}']`,
    );
  }
  return origins.map((origin, index) => {
    const option = `passkeys.origins[${index}]`;
    const first = origins.indexOf(origin);
    if (first < index) throw misconfigured(`option \`${option}\` repeats \`passkeys.origins[${first}]\``);
    return requireOrigin(option, origin, rpId);
  });
}

/** Browsers send an origin in exactly one spelling, which is compared (RFC 6454 §6.2). */
function requireOrigin(option: string, origin: unknown, rpId: string): string {
  if (typeof origin === 'string' && ANDROID_ORIGIN.test(origin)) return origin;
  const url = typeof origin === 'string' ? parseUrl(origin) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw misconfigured(
      `option \`${option}\` must be an origin, such as https://${rpId}, or android:apk-key-hash: with the SHA-256 of the app's certificate in base64url`,
    );
  }
  // Only the parsed origin is shown, because a URL can contain a password.
  if (url.origin !== origin)
    throw misconfigured(`option \`${option}\` must be written as browsers send it: ${url.origin}`);
  requireHost(option, url, rpId);
  return url.origin;
}

function requireHost(option: string, { hostname, protocol }: URL, rpId: string): void {
  if (hostname !== rpId && !hostname.endsWith(`.${rpId}`)) {
    throw misconfigured(`option \`${option}\`: its host must be ${rpId}, the option \`passkeys.rpId\`, or below it`);
  }
  if (protocol === 'http:' && hostname !== 'localhost' && !hostname.endsWith('.localhost')) {
    throw misconfigured(
      `option \`${option}\` must begin with https:. Browsers have no passkeys on http: outside localhost`,
    );
  }
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/**
 * The option of an application that has passkeys.
 * @throws MfaError `MFA_MISCONFIGURED` without it
 */
export function requirePasskeys({ passkeys }: { passkeys: ResolvedPasskeys | null }): ResolvedPasskeys {
  if (passkeys) return passkeys;
  throw misconfigured('passkeys need the option `passkeys`');
}
