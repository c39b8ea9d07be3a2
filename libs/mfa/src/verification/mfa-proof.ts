import { MfaError } from '../domain/mfa-error.js';
import type { MfaMethod } from '../host/mfa-host.js';

/** The second factor that a user presents. */
export interface MfaProof {
  /** A TOTP code or a backup code. */
  code: string;
  /** The method of the code. @default the method whose codes have this format */
  method?: MfaMethod | null | undefined;
}

/**
 * Checks the types of a proof. The code itself is checked later.
 * @throws MfaError `MFA_BAD_REQUEST`
 */
export function readProof(proof: unknown): { code: string; method: string | undefined } {
  if (typeof proof !== 'object' || proof === null) throw badRequest('the proof must be an object with `code`');
  const { code, method } = proof as MfaProof;
  if (method !== undefined && method !== null && typeof method !== 'string')
    throw badRequest('method must be a string');
  return { code, method: method ?? undefined };
}

const badRequest = (message: string) => new MfaError('MFA_BAD_REQUEST', { message: [message] });
