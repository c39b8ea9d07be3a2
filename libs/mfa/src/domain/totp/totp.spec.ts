import { HOTP, Secret } from 'otpauth';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TOTP_ALGORITHMS, type TotpParameters } from '../authenticators/authenticator.js';
import { SystemRandom } from '../random.js';
import { clockSkewSteps, currentStep, fromBase32, generateSecret, matchStep, toBase32 } from './totp.js';

const SEED = Buffer.from('1234567890'.repeat(7));
const SECRETS = { SHA1: SEED.subarray(0, 20), SHA256: SEED.subarray(0, 32), SHA512: SEED.subarray(0, 64) };
const SIX: TotpParameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 };
const NOW_MS = 1_700_000_000_000;
const NOW_STEP = currentStep(NOW_MS, 30);

const codeAt = (step: number, digits = 6) =>
  HOTP.generate({ secret: new Secret({ buffer: Uint8Array.from(SECRETS.SHA1).buffer }), digits, counter: step });

const match = (code: string, changes: Partial<Parameters<typeof matchStep>[0]> = {}) =>
  matchStep({ secret: SECRETS.SHA1, code, parameters: SIX, window: 1, nowMs: NOW_MS, ...changes });

afterEach(() => {
  vi.restoreAllMocks();
});

describe('currentStep', () => {
  it.each([
    [0, 0],
    [29_999, 0],
    [30_000, 1],
    [59_000, 1],
    [20_000_000_000_000, 0x27bc86aa],
  ])('is the RFC 6238 step of %i ms: %i', (nowMs, step) => {
    expect(currentStep(nowMs, 30)).toBe(step);
  });
});

describe('matchStep', () => {
  // RFC 6238 appendix B, with the seeds of its erratum 2866: 20, 32 and 64 bytes.
  it.each([
    [59, '94287082', '46119246', '90693936'],
    [1111111109, '07081804', '68084774', '25091201'],
    [1111111111, '14050471', '67062674', '99943326'],
    [1234567890, '89005924', '91819424', '93441116'],
    [2000000000, '69279037', '90698825', '38618901'],
    [20000000000, '65353130', '77737706', '47863826'],
  ])('S22 passes the RFC 6238 vectors of second %i', (seconds, ...codes) => {
    TOTP_ALGORITHMS.forEach((algorithm, index) => {
      const parameters = { algorithm, digits: 8, periodSeconds: 30 };
      const request = { secret: SECRETS[algorithm], parameters, window: 0, nowMs: seconds * 1000 };
      expect(matchStep({ ...request, code: codes[index]! })).toBe(Math.floor(seconds / 30));
    });
  });

  it.each([0, 1, 2])('S23 accepts with window %i exactly the steps around now', (window) => {
    for (let distance = -4; distance <= 4; distance++) {
      const expected = Math.abs(distance) <= window ? NOW_STEP + distance : null;
      expect(match(codeAt(NOW_STEP + distance), { window })).toBe(expected);
    }
  });

  it('S23 changes over at the very millisecond', () => {
    const code = codeAt(NOW_STEP);
    const start = NOW_STEP * 30_000;
    const at = (nowMs: number) => match(code, { nowMs, window: 0 });
    expect([start - 1, start, start + 29_999, start + 30_000].map(at)).toEqual([null, NOW_STEP, NOW_STEP, null]);
  });

  it.each([
    ['the earliest', -2],
    ['the current', 0],
    ['the latest', 2],
    ['no', null],
  ])('computes every step of the window when %s one matches', (_, distance) => {
    const code = distance === null ? '000000' : codeAt(NOW_STEP + distance);
    const generate = vi.spyOn(HOTP, 'generate');
    expect(match(code, { window: 2 })).toBe(distance === null ? null : NOW_STEP + distance);
    expect(generate).toHaveBeenCalledTimes(5);
  });

  it.each([
    [1, -2, -2],
    [1, 2, 2],
    [1, -10, -10],
    [1, 10, 10],
    [0, 1, 1],
    [9, 10, 10],
    [1, 1, null],
    [1, 0, null],
    [1, -11, null],
    [1, 11, null],
    [10, 10, null],
  ])('finds with window %i the skew of a code of the step %i from now: %j', (window, distance, skew) => {
    const request = { secret: SECRETS.SHA1, parameters: SIX, window, nowMs: NOW_MS };
    expect(clockSkewSteps({ ...request, code: codeAt(NOW_STEP + distance) })).toBe(skew);
  });

  it('computes every step outside the window, whichever has the code', () => {
    const generate = vi.spyOn(HOTP, 'generate');
    for (const code of ['000000', codeAt(NOW_STEP - 10), codeAt(NOW_STEP + 2)]) {
      generate.mockClear();
      clockSkewSteps({ secret: SECRETS.SHA1, code, parameters: SIX, window: 1, nowMs: NOW_MS });
      expect(generate).toHaveBeenCalledTimes(18);
    }
  });

  it('answers with the step nearest to now when several have the same code', () => {
    vi.spyOn(HOTP, 'generate').mockReturnValue('123456');
    expect(match('123456', { window: 2 })).toBe(NOW_STEP);
  });

  it('never computes a negative counter', () => {
    const generate = vi.spyOn(HOTP, 'generate');
    expect(match(codeAt(1), { nowMs: 0, window: 2 })).toBe(1);
    expect(generate.mock.calls.map(([{ counter }]) => counter)).toEqual([1, 0, 1, 2]);
  });

  it.each([0, 1, 9])('S6 refuses a secret of %i bytes', (length) => {
    const secret = SEED.subarray(0, length);
    const key = new Secret({ buffer: Uint8Array.from(secret).buffer });
    expect(match(HOTP.generate({ secret: key, counter: NOW_STEP }), { secret })).toBeNull();
  });

  it('S6 still verifies an imported secret of 10 bytes', () => {
    const secret = SEED.subarray(0, 10);
    const key = new Secret({ buffer: Uint8Array.from(secret).buffer });
    expect(match(HOTP.generate({ secret: key, counter: NOW_STEP }), { secret })).toBe(NOW_STEP);
  });

  it.each(['', '12345', '1234567', 'ABCDEF', '12345\0', '\u0661\u0662\u0663\u0664\u0665\u0666'])(
    'S24 refuses the shape of %j without computing anything',
    (code) => {
      const generate = vi.spyOn(HOTP, 'generate');
      expect(match(code)).toBeNull();
      expect(generate).not.toHaveBeenCalled();
    },
  );

  it.each([1, 5, 9])('refuses stored parameters of %i digits, even for a right code', (digits) => {
    expect(match(codeAt(NOW_STEP, digits), { parameters: { ...SIX, digits } })).toBeNull();
  });

  it.each([0, Number.NaN, -30])('refuses a period of %d seconds', (periodSeconds) => {
    expect(match(codeAt(0), { parameters: { ...SIX, periodSeconds }, window: 0 })).toBeNull();
  });

  it('ends even when the window is infinite', () => {
    expect(match('000000', { window: Number.POSITIVE_INFINITY })).toBeNull();
  });
});

describe('secrets', () => {
  it.each([
    ['SHA1', 20],
    ['SHA256', 32],
    ['SHA512', 64],
  ] as const)('S6 S11 are for %s the %i bytes of the hash, from the random source', (algorithm, length) => {
    expect(generateSecret(new SystemRandom(), algorithm)).toHaveLength(length);
    const sevens = { bytes: (size: number) => Buffer.alloc(size, 7), id: () => '' };
    expect(generateSecret(sevens, algorithm)).toEqual(Buffer.alloc(length, 7));
  });

  // RFC 4648 §10
  it.each([
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ])('spell %j in base32 as %s, and back', (text, base32) => {
    expect(toBase32(Buffer.from(text))).toBe(base32);
    expect(fromBase32(base32).toString()).toBe(text);
    expect(fromBase32(`${base32.toLowerCase()}===`).toString()).toBe(text);
  });

  it('S64 refuse other characters without quoting any', () => {
    expect(() => fromBase32('MZXW8')).toThrow(
      expect.objectContaining({
        code: 'MFA_BAD_REQUEST',
        details: { message: ['secret must be base32 (A-Z and 2-7)'] },
        cause: undefined,
      }),
    );
  });
});
