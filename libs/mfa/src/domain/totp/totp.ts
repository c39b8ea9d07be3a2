import { createHmac, timingSafeEqual } from 'node:crypto';
import { HOTP, Secret } from 'otpauth';
import type { TotpAlgorithm, TotpParameters } from '../authenticators/authenticator.js';
import { isAnyTotpShape, isTotpShape } from '../code.js';
import { MfaError } from '../mfa-error.js';
import type { MfaRandom } from '../random.js';
import { CLOCK_SKEW_MS } from '../usage/usage.js';

/**
 * Length of a new secret in bytes: the length of the hash, as in RFC 6238 §5.1 and its test vectors, and at least the 160
 * bits of RFC 4226 §4 R6. Some apps extend a shorter secret to this length and then show other codes.
 */
// S11
export const SECRET_BYTES: Readonly<Record<TotpAlgorithm, number>> = { SHA1: 20, SHA256: 32, SHA512: 64 };

/** Shortest accepted secret in bytes. A shorter one is damaged or guessable; otpauth computes codes even for an empty one. */
// S6
const MIN_SECRET_BYTES = 10;

/** Length from which a secret is strong, in bytes (RFC 4226 §4 R6: at least 128 bits). */
const STRONG_SECRET_BYTES = 16;

/** Largest window in steps, also for callers that pass it unchecked. 10 steps are five minutes. */
const MAX_WINDOW = 10;

/** A code to compare with the codes around the current time. */
export interface TotpMatchRequest {
  /** The secret as bytes, decrypted. */
  secret: Uint8Array;
  /** The code after {@link normaliseCode}. */
  code: string;
  parameters: TotpParameters;
  /** Steps accepted before and after the current one; 0 to 10 (RFC 6238 §5.2). */
  window: number;
  nowMs: number;
}

/** The time step T of RFC 6238 §4.2, with T0 = 0. */
export function currentStep(nowMs: number, periodSeconds: number): number {
  return Math.floor(nowMs / (periodSeconds * 1000));
}

/**
 * Returns the time step within ±`window` whose code matches: the nearest one, and the earlier of two (RFC 6238 §5.2).
 * `null` = no code matches, the secret has fewer than 10 bytes, or the code has another format. It does not prevent a
 * replay, so spend the step.
 */
// S6, S23
export function matchStep(request: TotpMatchRequest): number | null {
  return firstMatch(request, { from: 0, to: request.window });
}

/**
 * Returns by how many steps the device's clock is ahead of `nowMs` (negative = behind), if the code matches one of the ±10
 * steps outside the window. `null` = it matches none. Such a code is still wrong; the number is for the operator. Call it
 * whenever {@link matchStep} returned `null`, so that every wrong code takes the same time.
 */
export function clockSkewSteps(request: TotpMatchRequest): number | null {
  const step = firstMatch(request, { from: request.window + 1, to: MAX_WINDOW });
  return step === null ? null : step - currentStep(request.nowMs, request.parameters.periodSeconds);
}

/** Returns the first step within these distances whose code matches. `null` = none. */
function firstMatch(
  { secret, code, parameters, nowMs }: TotpMatchRequest,
  distances: { from: number; to: number },
): number | null {
  const { algorithm, digits, periodSeconds } = parameters;
  // The column `digits` is not authenticated like the secret, so any value must stay within 6 to 8.
  if (!isPossibleSecret(secret) || !isAnyTotpShape(code) || !isTotpShape(code, digits)) return null;

  // otpauth reads only `bytes` here. A real `Secret` would copy the bytes twice, which takes half the time of an HMAC.
  const key = { bytes: secret } as Secret;
  const given = Buffer.from(code);
  let matched: number | null = null;
  // Every step is computed and compared, so that the time taken does not depend on which one matched.
  for (const counter of stepsAround(currentStep(nowMs, periodSeconds), distances)) {
    const expected = HOTP.generate({ secret: key, algorithm, digits, counter, hmac });
    if (timingSafeEqual(Buffer.from(expected), given)) matched ??= counter;
  }
  return matched;
}

/** Whether a secret is long enough to be accepted: at least 10 bytes. */
// S6
export function isPossibleSecret(secret: Uint8Array): boolean {
  return secret.length >= MIN_SECRET_BYTES;
}

/** Whether a secret has fewer than the 128 bits that RFC 4226 §4 R6 requires. Imported secrets may. */
// S6
export function isWeakSecret(secret: Uint8Array): boolean {
  return secret.length < STRONG_SECRET_BYTES;
}

/** Generates a secret with the length of the hash: 20, 32 or 64 bytes (RFC 4226 §4 R6). */
// S11
export function generateSecret(random: MfaRandom, algorithm: TotpAlgorithm): Buffer {
  return random.bytes(SECRET_BYTES[algorithm]);
}

/** Encodes a secret in base32, upper case and without padding, as authenticator apps expect it (RFC 4648 §6). */
export function toBase32(secret: Uint8Array): string {
  return secretOf(secret).base32;
}

/**
 * Decodes a base32 secret. Case, spaces and padding are ignored (RFC 4648 §6).
 * @throws MfaError `MFA_BAD_REQUEST` for any other character
 */
export function fromBase32(text: string): Buffer {
  try {
    return Buffer.from(Secret.fromBase32(text).bytes);
  } catch {
    // otpauth's message quotes a character of the secret: it is not passed on, not even as a cause (S64).
    throw new MfaError('MFA_BAD_REQUEST', { message: ['secret must be base32 (A-Z and 2-7)'] });
  }
}

/** Like otpauth's own function, without copies of key and message for every step. */
function hmac(algorithm: string, key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac(algorithm, key).update(message).digest();
}

/** The steps around now, nearest first, without negative ones: counters are uint64, and otpauth would wrap or ignore the sign. */
function stepsAround(current: number, { from, to }: { from: number; to: number }): number[] {
  const steps = from === 0 ? [current] : [];
  for (let distance = Math.max(from, 1); distance <= Math.min(to, MAX_WINDOW); distance++) {
    steps.push(current - distance, current + distance);
  }
  return steps.filter((step) => Number.isSafeInteger(step) && step >= 0);
}

/** Copies the bytes, because a small Buffer is a part of Node's shared pool. */
function secretOf(bytes: Uint8Array): Secret {
  return new Secret({ buffer: new Uint8Array(bytes).buffer });
}

/**
 * Until when a spent step must be remembered, in epoch milliseconds: as long as any clock within
 * {@link CLOCK_SKEW_MS} could accept it (RFC 6238 §5.2).
 */
export function spentUntilMs(spent: { step: number; periodSeconds: number; window: number }): number {
  // S27, S61
  return (spent.step + spent.window + 1) * spent.periodSeconds * 1000 + CLOCK_SKEW_MS;
}
