/** TOTP by RFC 6238 with nothing around it: SHA-1, six digits, 30 seconds. */
import { createHmac } from 'node:crypto';

export const currentStep = (nowMs) => Math.floor(nowMs / 30_000);

/** The code of a step, as six digits. */
export function codeOf(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = mac[19] & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** The step within ±1 whose code was given, or `null`: three HMACs. */
export function matchStep(secret, code, nowMs) {
  const now = currentStep(nowMs);
  let matched = null;
  for (const step of [now, now - 1, now + 1]) if (codeOf(secret, step) === code) matched ??= step;
  return matched;
}

/** A code that is wrong now and for the next minutes. */
export function wrongCode(secret, nowMs) {
  const near = Array.from({ length: 20 }, (_, index) => codeOf(secret, currentStep(nowMs) - 2 + index));
  for (let guess = 0; ; guess++) {
    const code = String(guess).padStart(6, '0');
    if (!near.includes(code)) return code;
  }
}
