import type { KnownPrincipal } from '../host/known-principal.js';

/** Clocks of several instances may differ by so much, in milliseconds. */
const SKEW_MS = 60_000;

/** Whether a session passed a second factor, at most `maxAgeSeconds` ago. */
export function passedSecondFactor(
  { mfaAt, amr }: Pick<KnownPrincipal, 'mfaAt' | 'amr'>,
  { maxAgeSeconds, nowMs }: { maxAgeSeconds: number | undefined; nowMs: number },
): boolean {
  const ageMs = mfaAt ? nowMs - mfaAt.getTime() : NaN;
  const passed = ageMs >= -SKEW_MS && (amr === undefined || (Array.isArray(amr) && amr.includes('mfa')));
  return passed && (maxAgeSeconds === undefined || ageMs <= maxAgeSeconds * 1000);
}
