import { INSTANCE_SKEW_MS } from '../domain/clock.js';
import type { KnownPrincipal } from '../host/known-principal.js';

/** Whether a session passed a second factor, at most `maxAgeSeconds` ago. */
export function passedSecondFactor(
  { mfaAt, amr }: Pick<KnownPrincipal, 'mfaAt' | 'amr'>,
  {
    maxAgeSeconds,
    phishingResistant,
    nowMs,
  }: { maxAgeSeconds: number | undefined; phishingResistant?: boolean | undefined; nowMs: number },
): boolean {
  // An absent `amr` never shows a passkey (S87).
  if (phishingResistant && !isPhishingResistant(amr)) return false;
  const ageMs = mfaAt ? nowMs - mfaAt.getTime() : NaN;
  const passed = ageMs >= -INSTANCE_SKEW_MS && (amr === undefined || (Array.isArray(amr) && amr.includes('mfa')));
  return passed && (maxAgeSeconds === undefined || ageMs <= maxAgeSeconds * 1000);
}

/** Whether a session or proof with these values used a key whose signature is bound to the site (RFC 8176 §2). */
function isPhishingResistant(amr: readonly string[] | undefined): boolean {
  return Array.isArray(amr) && (amr.includes('hwk') || amr.includes('swk'));
}
