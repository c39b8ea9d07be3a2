/** An Argon2id hash (version 19) with the parameters to compute it again. */
export interface PhcHash {
  memoryKib: number;
  passes: number;
  parallelism: number;
  salt: Buffer;
  hash: Buffer;
}

/** Limits for a stored hash, so that a manipulated row cannot cost an hour of CPU time or gigabytes of memory. */
const BOUNDS = { memoryKib: 256 * 1024, passes: 10, parallelism: 8, saltBytes: [8, 64], hashBytes: [16, 64] } as const;

// Anchors are not needed for correctness: the text must equal its re-encoding.
const PHC = /^\$argon2id\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d?),p=([1-9])\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Formats a hash as `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, like the reference implementation (PHC string format). */
export function encodePhc({ memoryKib, passes, parallelism, salt, hash }: PhcHash): string {
  const parameters = `m=${memoryKib},t=${passes},p=${parallelism}`;
  return `$argon2id$v=19$${parameters}$${encode(salt)}$${encode(hash)}`;
}

/** Parses a PHC string. Returns `null` if it is not Argon2id version 19, is damaged, or exceeds the limits. */
export function parsePhc(text: string): PhcHash | null {
  const [, memory, passes, parallelism, salt, hash] = PHC.exec(text) ?? [];
  // For the compiler: the pattern matches both or neither.
  if (salt === undefined || hash === undefined) return null;
  const parsed: PhcHash = {
    memoryKib: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
  // Only the canonical encoding is accepted.
  return isSane(parsed) && encodePhc(parsed) === text ? parsed : null;
}

/** A PHC string in two: the part that all codes of a set share when they have one salt, and the encoded hash. */
export function splitPhc(text: string): { shared: string; hash: string } {
  const end = text.lastIndexOf('$') + 1;
  return { shared: text.slice(0, end), hash: text.slice(end) };
}

/** The bytes of the last part of a PHC string; `null` when it is not canonical base64. */
export function decodeHash(text: string): Buffer | null {
  const hash = Buffer.from(text, 'base64');
  return encode(hash) === text ? hash : null;
}

function isSane({ memoryKib, passes, parallelism, salt, hash }: PhcHash): boolean {
  return (
    parallelism <= BOUNDS.parallelism &&
    passes <= BOUNDS.passes &&
    memoryKib <= BOUNDS.memoryKib &&
    memoryKib >= 8 * parallelism && // RFC 9106 §3.1; the binding throws below it
    isWithin(salt.length, BOUNDS.saltBytes) &&
    isWithin(hash.length, BOUNDS.hashBytes)
  );
}

function isWithin(value: number, [least, most]: readonly [number, number]): boolean {
  return value >= least && value <= most;
}

/** Standard base64 without padding. */
function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
