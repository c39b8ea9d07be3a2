import { describe, expect, it, vi } from 'vitest';
import { accountNameOf, knownPrincipal, readPrincipalDate } from './known-principal.js';

const instant = new Date('2026-11-25T10:00:00.000Z');

describe('a date of a principal', () => {
  it.each([
    ['a Date', instant],
    ['ISO 8601 text in UTC', '2026-11-25T10:00:00.000Z'],
    ['ISO 8601 text with an offset', '2026-11-25T11:00:00+01:00'],
    ['ISO 8601 text without seconds', '2026-11-25T10:00Z'],
    ['ISO 8601 text with microseconds', '2026-11-25T10:00:00.000000Z'],
  ])('is read from %s', (_, value) => {
    expect(readPrincipalDate(value)).toEqual(instant);
  });

  it.each([
    ['milliseconds', instant.getTime()],
    ['seconds', instant.getTime() / 1000],
    ['digits', String(instant.getTime())],
    ['text without a time zone', '2026-11-25T10:00:00'],
    ['a day', '2026-11-25'],
    ['the text of another format', 'Wed, 25 Nov 2026 10:00:00 GMT'],
    ['an empty string', ''],
    ['an invalid Date', new Date(Number.NaN)],
    ['a month that does not exist', '2026-13-25T10:00:00Z'],
    ['something like a Date', { getTime: () => instant.getTime() }],
    ['true', true],
  ])('is unusable as %s', (_, value) => {
    expect(readPrincipalDate(value)).toBeNull();
  });

  it.each([undefined, null])('is left out as %s', (value) => {
    expect(readPrincipalDate(value)).toBeUndefined();
  });
});

describe('a principal', () => {
  const base = { userId: 7, accountName: 'ann@example.test' };

  it('has a string as id, Dates as dates, and undefined for what is null', () => {
    const text = instant.toISOString();
    expect(knownPrincipal({ ...base, mfaAt: text, authenticatedAt: text, sessionId: 's', amr: ['pwd'] })).toEqual({
      userId: '7',
      accountName: 'ann@example.test',
      mfaAt: instant,
      authenticatedAt: instant,
      sessionId: 's',
      amr: ['pwd'],
      issuer: undefined,
    });
    const left = { mfaAt: null, authenticatedAt: null, sessionId: null, amr: null, issuer: null };
    const warn = vi.fn<(message: string) => void>();
    expect(Object.values(knownPrincipal({ ...base, ...left }, warn)!).filter((each) => each !== undefined)).toEqual([
      '7',
      'ann@example.test',
    ]);
    expect(warn).not.toHaveBeenCalled();
  });

  it('S45 leaves out dates and a session id that are unusable, and names each', () => {
    const warn = vi.fn<(message: string) => void>();
    const wrong = { mfaAt: 1_764_064_800, authenticatedAt: 'yesterday', sessionId: 12 };
    const { mfaAt, authenticatedAt, sessionId } = knownPrincipal({ ...base, ...(wrong as object) }, warn)!;
    expect([mfaAt, authenticatedAt, sessionId]).toEqual([undefined, undefined, undefined]);
    expect(warn.mock.calls.flat().sort()).toEqual(['authenticatedAt', 'mfaAt', 'sessionId']);
  });

  it.each<[unknown, string[]]>([
    ['pwd mfa', []],
    [7, []],
    [{ mfa: true }, []],
    [[null, 'pwd', 7], ['pwd']],
  ])('S45 keeps the strings of the amr %j, names it, and does not leave it out', (amr, kept) => {
    const warn = vi.fn<(message: string) => void>();
    expect(knownPrincipal({ ...base, amr: amr as never }, warn)?.amr).toEqual(kept);
    expect(warn.mock.calls).toEqual([['amr']]);
  });

  it('calls an account name that is a function', async () => {
    await expect(accountNameOf({ accountName: 'ann' })).resolves.toBe('ann');
    await expect(accountNameOf({ accountName: () => 'ann' })).resolves.toBe('ann');
    await expect(accountNameOf({ accountName: () => Promise.resolve('ann') })).resolves.toBe('ann');
  });
});
