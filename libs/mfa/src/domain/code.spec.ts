import { describe, expect, it } from 'vitest';
import { isAnyTotpShape, isBackupCodeShape, isTotpShape, normaliseCode } from './code.js';

describe('normaliseCode', () => {
  it.each([
    ['plain', '123456'],
    ['outer and inner white space', ' 123\u00a0456\t\n'],
    ['a hyphen', '123-456'],
    ['a non-breaking hyphen', '123\u2011456'],
    ['en dash, em dash and minus', '1\u20132\u20143\u2212456'],
    ['a soft hyphen and a zero-width space', '123\u00ad\u200b456'],
    ['an ideographic space and a byte order mark', '\ufeff123\u3000456'],
    ['full-width digits', '１２３４５６'],
    ['full-width digits and hyphen', '１２３－４５６'],
    ['Arabic-Indic digits', '\u0661\u0662\u0663\u0664\u0665\u0666'],
    ['extended Arabic-Indic digits', '\u06f1\u06f2\u06f3\u06f4\u06f5\u06f6'],
    ['Devanagari digits', '\u0967\u0968\u0969\u096a\u096b\u096c'],
    ['digits of several scripts', '1\u0662\u0969\uff14\u0e55\u1046'],
    ['Adlam digits, which are outside the basic plane', '\u{1e951}\u{1e952}\u{1e953}\u{1e954}\u{1e955}\u{1e956}'],
    ['zero-width joiners and non-joiners', '1\u200d2\u200d3\u200c4\u200c5\u200d6'],
    ['direction marks, embeddings and isolates', '\u200f1\u200e2\u202b3\u202c4\u20675\u20696\u061c'],
    ['word joiners and variation selectors', '\u20601\ufe0f2\ufe0e34\u2063\u206456'],
    ['soft hyphens', '\u00ad1\u00ad2\u00ad3\u00ad4\u00ad5\u00ad6\u00ad'],
    ['mathematical digits', '\u{1d7cf}\u{1d7d0}\u{1d7d1}\u{1d7d2}\u{1d7d3}\u{1d7d4}'],
  ])('S25 S77 gives a TOTP code with %s the one spelling', (_, input) => {
    expect(normaliseCode(input)).toBe('123456');
  });

  const SPELLINGS = ['ABCD-EF23', 'abcd-ef23', 'abcd ef23', 'AbCdEf23', 'ＡＢＣＤ－ＥＦ２３', 'abcd\u2013ef23'];
  it.each([...SPELLINGS, '\u200fabcd\u200d-ef\u0662\u0663', 'ab\u00adcd-ef\u0968\u0969'])(
    'S38 S77 gives the backup code %j the one spelling',
    (input) => {
      expect(normaliseCode(input)).toBe('ABCDEF23');
    },
  );

  it('S77 folds the ten digits of every script of Unicode, in their order', () => {
    const digits = Array.from({ length: 0x110000 }, (_, codePoint) => codePoint)
      .filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff)
      .map((codePoint) => String.fromCodePoint(codePoint))
      .filter((character) => /\p{Nd}/u.test(character));
    expect(digits.length).toBeGreaterThanOrEqual(660);
    expect(normaliseCode(digits.join(''))).toBe('0123456789'.repeat(digits.length / 10));
    for (const digit of digits) expect(normaliseCode(digit)).toMatch(/^[0-9]$/);
  });

  it.each(['', '\0', '\ud800', '\u0130', 'ß'.repeat(10), '\ufdfa'.repeat(100)])('survives %j, and again', (input) => {
    const once = normaliseCode(input);
    expect(normaliseCode(once)).toBe(once);
    expect([isAnyTotpShape(once), isBackupCodeShape(once)]).toEqual([false, false]);
  });
});

describe('isTotpShape', () => {
  it.each([
    ['123456', 6],
    ['000000', 6],
    ['1234567', 7],
    ['12345678', 8],
  ])('S24 takes %s as %i digits', (code, digits) => {
    expect(isTotpShape(code, digits)).toBe(true);
    expect(isAnyTotpShape(code)).toBe(true);
  });

  it.each([
    ['too few', '12345'],
    ['too many', '1234567'],
    ['a letter', '12345A'],
    ['a sign', '+12345'],
    ['a NUL', '12345\0'],
    ['a trailing newline', '123456\n'],
    ['an exponent', '1e1000'],
    ['Arabic-Indic digits', '\u0661\u0662\u0663\u0664\u0665\u0666'],
    ['Devanagari digits', '\u0967\u0968\u0969\u096a\u096b\u096c'],
  ])('S24 refuses %s', (_, code) => {
    expect(isTotpShape(code, 6)).toBe(false);
  });

  it('S24 S77 leaves numbers that are no decimal digits as they are, and so refuses them', () => {
    for (const number of ['\u4e00', '\u3007', '\u2169', '\u00bd', '\u0bf0', '\u{10107}']) {
      expect(isAnyTotpShape(normaliseCode(number.repeat(6))), number).toBe(false);
    }
  });

  it.each(['12345', '123456789', '', '12345A'])('takes %j for no TOTP of any length', (code) => {
    expect(isAnyTotpShape(code)).toBe(false);
  });
});

describe('isBackupCodeShape', () => {
  it.each(['ABCDEFGH', 'A2345678', '2345678A', 'IO01IO01', 'ABCDEFGHJKLMN', '234567823456A'])('takes %s', (code) => {
    expect(isBackupCodeShape(code)).toBe(true);
  });

  it.each([
    '12345678',
    '1234567812345',
    'ABCDEFGHJKLM',
    'ABCDEFGHJKLMNP',
    'ABCDEFG',
    'ABCDEFGHJ',
    'ABCD-EFG',
    'abcdefgh',
    'ÄBCDEFGH',
    'ABCDEFGH\n',
  ])('refuses %j', (code) => {
    expect(isBackupCodeShape(code)).toBe(false);
  });

  it('S35 never takes what has the shape of a TOTP', () => {
    expect(isAnyTotpShape('12345678') && isBackupCodeShape('12345678')).toBe(false);
  });
});
