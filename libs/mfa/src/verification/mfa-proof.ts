import { MfaError } from '../domain/mfa-error.js';
import type { MfaMethod } from '../host/mfa-host.js';

/** What a user presents as second factor. */
export interface MfaProof {
  /** A TOTP code or a backup code. */
  code: string;
  /** The method that the code is for. @default the one whose codes look like this */
  method?: MfaMethod | null | undefined;
}

/**
 * The checked shape of a proof; its code is checked where codes are read.
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
