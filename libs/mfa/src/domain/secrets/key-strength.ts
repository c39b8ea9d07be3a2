const MIN_LENGTH = 32;
const MIN_DISTINCT = 8;

/**
 * Parts of keys from documentation, tutorials and templates, in lower case without separators. Each has at least seven
 * letters, because a shorter part can occur in random base64 by chance.
 */
const WELL_KNOWN = [
  'changeme',
  'changethis',
  'replaceme',
  'replacewith',
  'placeholder',
  'donotusethisvalue',
  'insecure',
  'example',
  'yoursecret',
  'your256bitsecret',
  'mysecret',
  'supersecret',
  'topsecret',
  'secretsecret',
  'secretkey',
  'thisisasecret',
  'asecretatleast',
  'astringsecretatleast256bits',
  'testsecret',
  'devsecret',
  'jwtsecret',
  'password',
  'passphrase',
  'keyboardcat',
  'qwertyuiop',
  'correcthorsebattery',
  'deadbeefdeadbeef',
  '0123456789abcdef',
  '12345678901234567890', // RFC 4226 and RFC 6238 test secret
  'gezdgnbvgy3tqojq', // the same in base32
  'jbswy3dpehpk3pxp', // the Key URI format's "Hello!"
  'aym1sysppbydfgzld3umj1qzkobwvmkoqq', // RFC 7515 A.1
  'cw0x689rpijtrr7oe8heqskimvjaplesbxpwf4e4', // Fernet specification
  '09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7', // FastAPI tutorial
];

/**
 * Returns why a key must not be used, as the end of a sentence that begins with its name. `null` = the key is good. A
 * text is also checked as the bytes that it encodes in hex or base64. The result never quotes the key.
 */
// S7
export function keyWeakness(secret: string | Uint8Array): string | null {
  const unit = typeof secret === 'string' ? 'characters' : 'bytes';
  if (secret.length < MIN_LENGTH) return `is shorter than ${MIN_LENGTH} ${unit}`;
  // A newline at the end of a file on one machine only makes two different keys.
  if (typeof secret === 'string' && secret.trim() !== secret) return 'begins or ends with white space';

  const readings = readingsOf(secret);
  if (readings.some(isWellKnown)) return 'is or contains a well-known example';
  if (readings.some(hasFewValues)) return `has fewer than ${MIN_DISTINCT} different ${unit}`;
  if (readings.some(isRepetition)) return 'repeats one pattern';
  if (readings.some(isSequence)) return 'is a sequence';
  return null;
}

function readingsOf(secret: string | Uint8Array): Uint8Array[] {
  // Bytes need no further reading: as text they are neither hex nor base64.
  if (typeof secret !== 'string') return [secret];
  const readings: Uint8Array[] = [Buffer.from(secret)];
  // A wider pattern would only be stricter: random bytes pass in any reading.
  if (/^([0-9a-f]{2})+$/i.test(secret)) readings.push(Buffer.from(secret, 'hex'));
  if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(secret)) readings.push(Buffer.from(secret, 'base64'));
  return readings;
}

function isWellKnown(bytes: Uint8Array): boolean {
  const letters = Buffer.from(bytes)
    .toString('latin1')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
  return WELL_KNOWN.some((piece) => letters.includes(piece));
}

function hasFewValues(bytes: Uint8Array): boolean {
  return new Set(bytes).size < MIN_DISTINCT;
}

/** Whether the bytes repeat one pattern of at most half their length. */
function isRepetition(bytes: Uint8Array): boolean {
  const whole = Buffer.from(bytes);
  for (let period = 1; period <= whole.length / 2; period++) {
    if (whole.subarray(period).equals(whole.subarray(0, whole.length - period))) return true;
  }
  return false;
}

/** Whether two thirds of the neighbouring bytes differ by at most one. In random digits, one of 10⁵ keys does; in hex, one of 10⁸. */
function isSequence(bytes: Uint8Array): boolean {
  // The first byte has no neighbour; its difference is NaN, which is not close either.
  const close = bytes.filter((byte, index) => index > 0 && Math.abs(byte - bytes[index - 1]!) <= 1).length;
  return close >= ((bytes.length - 1) * 2) / 3;
}
