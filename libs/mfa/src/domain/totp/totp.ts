import { createHmac, timingSafeEqual } from 'node:crypto';
import { HOTP, Secret } from 'otpauth';
import type { TotpAlgorithm, TotpParameters } from '../authenticators/authenticator.js';
import { isAnyTotpShape, isTotpShape } from '../code.js';
import { MfaError } from '../mfa-error.js';
import type { MfaRandom } from '../random.js';
import { CLOCK_SKEW_MS } from '../usage/usage.js';

/**
 * As many as the hash has, as RFC 6238 §5.1 and its test vectors use them, and at least the 160 bits of RFC 4226 §4 R6. Some apps stretch a shorter secret to this length and then show other codes.
 */
// S11
export const SECRET_BYTES: Readonly<Record<TotpAlgorithm, number>> = { SHA1: 20, SHA256: 32, SHA512: 64 };

/** Below this a secret is damaged or guessable, and otpauth would compute codes even for an empty one. */
// S6
const MIN_SECRET_BYTES = 10;

/** RFC 4226 §4 R6: 128 bits at least. */
const STRONG_SECRET_BYTES = 16;

/** A backstop for callers that pass a window unchecked; ±10 steps are five minutes either way. */
const MAX_WINDOW = 10;

/** One code to be compared with the codes around now. */
export interface TotpMatchRequest {
  /** The opened secret, raw bytes. */
  secret: Uint8Array;
  /** As {@link normaliseCode} leaves it. */
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
 * The step within ±`window` whose code was given, nearest to now and the earlier of two; `null` when
 * there is none, when the secret has under 10 bytes, or when the code has another shape. Does
 * not prevent replay: spend the step. RFC 6238 §5.2.
 */
// S6, S23
export function matchStep(request: TotpMatchRequest): number | null {
  return firstMatch(request, { from: 0, to: request.window });
}

/**
 * How many steps the device's clock is ahead of `nowMs` (negative: behind), when the code is one of the ±10 steps
 * outside the window; `null` when it is not. Such a code is wrong. For the operator only: call it after
 * {@link matchStep} returned `null`, so that every wrong code takes the same time.
 */
export function clockSkewSteps(request: TotpMatchRequest): number | null {
  const step = firstMatch(request, { from: request.window + 1, to: MAX_WINDOW });
  return step === null ? null : step - currentStep(request.nowMs, request.parameters.periodSeconds);
}

/** The first of the steps at these distances whose code was given. */
function firstMatch(
  { secret, code, parameters, nowMs }: TotpMatchRequest,
  distances: { from: number; to: number },
): number | null {
  const { algorithm, digits, periodSeconds } = parameters;
  // The row's `digits` is not authenticated like its secret: 6 to 8 whatever it says.
  if (!isPossibleSecret(secret) || !isAnyTotpShape(code) || !isTotpShape(code, digits)) return null;

  // All that otpauth reads of a `Secret` here. A whole one would copy the bytes twice, at the price of half an HMAC.
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

/** Whether a secret is one at all: codes are made of nothing shorter than 10 bytes. */
// S6
export function isPossibleSecret(secret: Uint8Array): boolean {
  return secret.length >= MIN_SECRET_BYTES;
}

/** Whether a secret has less than the 128 bits that RFC 4226 §4 R6 demands, as imported ones may. */
// S6
export function isWeakSecret(secret: Uint8Array): boolean {
  return secret.length < STRONG_SECRET_BYTES;
}

/** A new secret from the CSPRNG, as long as the hash: 20, 32 or 64 bytes (RFC 4226 §4 R6). */
// S11
export function generateSecret(random: MfaRandom, algorithm: TotpAlgorithm): Buffer {
  return random.bytes(SECRET_BYTES[algorithm]);
}

/** The secret in base32, upper case and unpadded, as authenticator apps take it (RFC 4648 §6). */
export function toBase32(secret: Uint8Array): string {
  return secretOf(secret).base32;
}

/**
 * The bytes of a base32 secret; case, spaces and padding do not matter (RFC 4648 §6).
 * Throws `MFA_BAD_REQUEST` for any other character.
 */
export function fromBase32(text: string): Buffer {
  try {
    return Buffer.from(Secret.fromBase32(text).bytes);
  } catch {
    // otpauth's message quotes a character of the secret: it is not passed on, not even as a cause (S64).
    throw new MfaError('MFA_BAD_REQUEST', { message: ['secret must be base32 (A-Z and 2-7)'] });
  }
}

/** As otpauth's own, without its copies of key and message for every step. */
function hmac(algorithm: string, key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac(algorithm, key).update(message).digest();
}

/** Nearest first, never negative: uint64 counters begin at 0, and otpauth would wrap or ignore the sign. */
function stepsAround(current: number, { from, to }: { from: number; to: number }): number[] {
  const steps = from === 0 ? [current] : [];
  for (let distance = Math.max(from, 1); distance <= Math.min(to, MAX_WINDOW); distance++) {
    steps.push(current - distance, current + distance);
  }
  return steps.filter((step) => Number.isSafeInteger(step) && step >= 0);
}

/** A copy, because the buffer behind a small Buffer is Node's shared pool. */
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
