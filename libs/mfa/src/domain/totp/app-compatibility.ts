import type { TotpParameters } from '../authenticators/authenticator.js';
import { isMfaError } from '../mfa-error.js';
import { otpauthUri } from './otpauth-uri.js';

/** An account name as long as the part of an e-mail address before the `@` may be (RFC 5321 §4.5.3.1.1). */
const USUAL_ACCOUNT_NAME = 'a'.repeat(64);
const LONGEST_SECRET = new Uint8Array(64);

/** Characters that some apps show percent-encoded, or cut the issuer at. */
const UNSAFE_IN_ISSUER = ['&', '+', '?', '#'];

/** Whether a setup with this issuer and an account name of 64 characters fits in a QR code. In the URI, a byte outside ASCII takes three characters. */
export function issuerFits(issuer: string, parameters: TotpParameters): boolean {
  try {
    return otpauthUri({ issuer, accountName: USUAL_ACCOUNT_NAME, secret: LONGEST_SECRET, parameters }) !== '';
  } catch (error) {
    if (isMfaError(error)) return false;
    throw error;
  }
}

/** Warnings for the log about options that some authenticator apps do not support. */
export function appWarnings({ issuer, digits }: { issuer: string; digits: number }): string[] {
  const unsafe = UNSAFE_IN_ISSUER.filter((character) => issuer.includes(character));
  return [
    ...(digits === 7
      ? ['Option `totp.digits` is 7. Many authenticator apps show 6 digits or refuse the QR code; use 6 or 8.']
      : []),
    ...(unsafe.length > 0
      ? [
          `Option \`issuer\` contains ${unsafe.map((each) => `"${each}"`).join(', ')}. ` +
            'Some authenticator apps show it wrongly or cut the name there. Use letters, digits and spaces.',
        ]
      : []),
  ];
}
