import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';

/** RFC 6238 in its usual form (SHA-1, 30 seconds, six digits), by other hands than the library's. */
export function independentTotp(base32: string, atMs: number): string {
  const seconds = Math.floor(atMs / 1_000);
  return hasOathtool ? oathtool(base32, seconds) : hotp(base32, Math.floor(seconds / 30));
}

const hasOathtool = (() => {
  try {
    return execFileSync('oathtool', ['--version']).length > 0;
  } catch {
    return false;
  }
})();

function oathtool(base32: string, seconds: number): string {
  return execFileSync('oathtool', ['--totp', '-b', '--now', `@${seconds}`, '-'], {
    input: base32,
    encoding: 'utf8',
  }).trim();
}

/** RFC 4226 §5.3, over the base32 of RFC 4648. */
export function hotp(base32: string, counter: number): string {
  const bits = Array.from(base32, (symbol) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0'),
  );
  const key = Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', key).update(message).digest();
  const number = mac.readUInt32BE(mac.at(-1)! & 0x0f) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, '0');
}
