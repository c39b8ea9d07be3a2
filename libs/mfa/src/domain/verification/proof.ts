import { readCode } from '../code.js';
import { MfaError } from '../mfa-error.js';

/** How long a client may take to use what was prepared for it, in milliseconds. */
export const PREPARATION_LIFETIME_MS = 5 * 60_000;

/** What a proof was asked for. A passkey's response is valid for one purpose only. */
export type ProofPurpose = 'verify' | 'step-up' | 'change';

/** The challenge or session that a proof was made for. */
export interface ProofBinding {
  purpose: ProofPurpose;
  /** The `jti` of the mfa_token, else the hash of the session. `null` = the host names no session. */
  binding: string | null;
}

/** A second factor that a caller presents, with checked types. */
export type Proof = { method: string | undefined } & (
  | {
      kind: 'code';
      /** The one spelling of the code that is compared, counted and spent. */
      code: string;
      /** The code as the caller sent it. */
      typed: string;
    }
  | {
      kind: 'passkey';
      /** The response of `navigator.credentials.get`, unchecked. */
      passkey: unknown;
    }
);

/** A proof as a caller gives it. A property that is `null` counts as left out. */
export interface GivenProof {
  code?: unknown;
  method?: unknown;
  passkey?: unknown;
}

/**
 * Checks the types of a proof. Whether the proof is right is checked later.
 * @throws MfaError `MFA_BAD_REQUEST` for anything but one code or one passkey response
 */
// S24: every proof comes through here, HTTP or not.
export function readProof(given: unknown): Proof {
  if (typeof given !== 'object' || given === null)
    throw badRequest('the proof must be an object with `code` or `passkey`');
  const { code, method, passkey } = given as GivenProof;
  const named = method ?? undefined;
  if (named !== undefined && typeof named !== 'string') throw badRequest('method must be a string');
  const hasPasskey = passkey !== undefined && passkey !== null;
  if (!hasPasskey) return { kind: 'code', code: readCode(code), typed: code as string, method: named };
  // One guess is evaluated by one factor and counted in one budget.
  if (code !== undefined && code !== null) throw badRequest('give either code or passkey');
  return { kind: 'passkey', passkey, method: named };
}

/** Whether a caller gives a code or a passkey at all. */
export function hasProof(given: GivenProof): boolean {
  return (given.code ?? given.passkey ?? null) !== null;
}

/** Values of `amr` that describe the newest proof only (RFC 8176 §2). */
const OF_THE_PROOF = ['hwk', 'swk', 'user', 'otp', 'mfa'];

/**
 * `amr` of a session after a second factor: the values of its sign-in, without those of an earlier proof, and the values
 * of the new proof. So a session never claims a stronger factor than its newest proof.
 */
// S49, S87
export function amrAfterProof(session: readonly string[] | null | undefined, proof: readonly string[]): string[] {
  return [...new Set([...(session ?? []).filter((value) => !OF_THE_PROOF.includes(value)), ...proof])];
}

const badRequest = (message: string) => new MfaError('MFA_BAD_REQUEST', { message: [message] });
