import { URI } from 'otpauth';
import { describe, expect, it } from 'vitest';
import type { TotpParameters } from '../authenticators/authenticator.js';
import { accountLabel, manualKey, otpauthUri } from './otpauth-uri.js';

const secret = Buffer.from('12345678901234567890');
const BASE32 = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const parameters: TotpParameters = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 };
const uriOf = (accountName: string, issuer = 'Acme') => otpauthUri({ issuer, accountName, secret, parameters });

const badRequest = (message: string) =>
  expect.objectContaining({ code: 'MFA_BAD_REQUEST', details: { message: [expect.stringContaining(message)] } });

describe('otpauthUri', () => {
  it('follows the Key URI format', () => {
    expect(uriOf('ann@example.org', 'Acme Inc')).toBe(
      `otpauth://totp/Acme%20Inc:ann%40example.org?issuer=Acme%20Inc&secret=${BASE32}&algorithm=SHA1&digits=6&period=30`,
    );
  });

  it('carries the parameters', () => {
    const uri = otpauthUri({
      issuer: 'Acme',
      accountName: 'ann',
      secret,
      parameters: { algorithm: 'SHA512', digits: 8, periodSeconds: 60 },
    });
    expect(uri).toMatch(/&algorithm=SHA512&digits=8&period=60$/);
  });

  it.each([
    'x&secret=AAAAAAAAAAAAAAAA',
    'x?secret=AAAAAAAAAAAAAAAA&issuer=Bank',
    'x%26secret%3DAAAAAAAAAAAAAAAA',
    'x#fragment',
    'x/../../hotp/y',
    '100 %',
    'a+b=c;d',
    'Žofie 😀 李',
    '"<script>',
  ])('S20 keeps %j as data, in account and issuer', (hostile) => {
    for (const [account, issuer] of [
      [hostile, 'Acme'],
      ['ann', hostile],
    ] as const) {
      const uri = uriOf(account, issuer);
      const { searchParams, pathname } = new URL(uri);
      expect([...searchParams.keys()]).toEqual(['issuer', 'secret', 'algorithm', 'digits', 'period']);
      expect([searchParams.get('secret'), searchParams.get('issuer')]).toEqual([BASE32, issuer]);
      expect(decodeURIComponent(pathname).endsWith(`:${account}`)).toBe(true);
      expect(URI.parse(uri)).toMatchObject({ issuer, label: account, digits: 6, period: 30 });
    }
  });

  it.each([
    ['Bank:ann', 'Acme'],
    ['ann', 'Acme:Bank'],
    [':', ':'],
    ['%3Aann', 'Acme%3A'],
  ])('S20 leaves one separator in the label of %j at %j', (account, issuer) => {
    const label = /^otpauth:\/\/totp\/([^?]*)\?/.exec(uriOf(account, issuer))?.[1] ?? '';
    expect(decodeURIComponent(label).split(':')).toHaveLength(2);
  });

  it.each(['', '  ', 'a\nb', 'a\0b', 'a\u0085b', 'a\u2028b', '\ud800', 'a\udc00b'])(
    'S20 refuses %j with 400',
    (bad) => {
      const message = bad.trim() === '' ? 'must be a string that is not empty' : 'must not contain control characters';
      expect(() => uriOf(bad)).toThrow(badRequest(`accountName ${message}`));
      expect(() => uriOf('ann', bad)).toThrow(badRequest(`issuer ${message}`));
    },
  );

  it.each([undefined, null, 7, ['ann'], { toString: () => 'ann' }])(
    'S67 refuses %j with 400, whatever it is',
    (bad) => {
      expect(() => uriOf(bad as never)).toThrow(badRequest('accountName must be a string'));
    },
  );

  it('S20 refuses an over-long name with 400, before the QR encoder sees it', () => {
    expect(uriOf('a'.repeat(255)).length).toBeLessThan(1000);
    const room = 1000 - uriOf('a').length + 1;
    expect(uriOf('a'.repeat(room))).toHaveLength(1000);
    for (const long of ['a'.repeat(room + 1), '李'.repeat(120)]) {
      expect(() => uriOf(long)).toThrow(badRequest('issuer and accountName are too long for a QR code'));
    }
  });
});

describe('accountLabel', () => {
  const phone = { id: '3f2a0000-0000-4000-8000-000000000000', name: 'Phone' };
  const tablet = { id: '9b1c0000-0000-4000-8000-000000000000', name: 'Tablet' };

  it('is the account name for the first authenticator', () => {
    expect(accountLabel('ann@example.org', phone, [])).toBe('ann@example.org');
  });

  it('S76 carries the name of a further authenticator', () => {
    expect(accountLabel('ann@example.org', tablet, [phone])).toBe('ann@example.org (Tablet)');
  });

  it('S76 differs for authenticators of one name', () => {
    const [second, third] = [tablet, phone].map(({ id }) => ({ id, name: 'Authenticator app' }));
    const labels = [
      accountLabel('ann', { ...phone, name: 'Authenticator app' }, []),
      accountLabel('ann', second!, [third!]),
      accountLabel('ann', third!, [second!]),
    ];
    expect(labels).toEqual(['ann', 'ann (Authenticator app 9b1c)', 'ann (Authenticator app 3f2a)']);
  });

  it('S76 S20 keeps whatever is a name short and free of what a label must not contain', () => {
    const name = `a\u2028b:c${'李'.repeat(59)}`;
    const label = accountLabel('ann', { ...tablet, name }, [phone]);
    expect(label).toBe(`ann (a b:c${'李'.repeat(19)})`);
    const uri = uriOf(label);
    expect(URI.parse(uri).label).toBe(label.replace(':', '-'));
    expect(uri.length).toBeLessThan(400);
  });
});

describe('manualKey', () => {
  it.each([
    [BASE32, 'GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ'],
    ['mzxw6ytboi======', 'MZXW 6YTB OI'],
    ['', ''],
  ])('groups %j by four', (base32, grouped) => {
    expect(manualKey(base32)).toBe(grouped);
  });
});
