import { describe, expect, it } from 'vitest';
import type { MfaOptions, MfaPasskeyOptions } from './mfa-options.js';
import { resolveOptions } from './resolve-options.js';
import { requirePasskeys, resolvePasskeys } from './resolve-passkeys.js';

const resolved = (options: unknown) => resolvePasskeys(options as MfaPasskeyOptions, 'Acme');
const example = (changes: object) => ({ rpId: 'example.com', origins: ['https://example.com'], ...changes });
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'MFA_MISCONFIGURED', message: expect.stringMatching(message) as string });

describe('the option passkeys', () => {
  it.each([undefined, null])('is off when it is %j', (given) => {
    expect(resolved(given)).toBeNull();
  });

  it('has the documented defaults', () => {
    expect(resolved(example({}))).toEqual({
      rpId: 'example.com',
      rpName: 'Acme',
      origins: ['https://example.com'],
      userVerification: 'preferred',
      max: 10,
      protectChanges: true,
    });
  });

  it('keeps what is given', () => {
    const given = { rpName: 'Acme Bank', userVerification: 'required', max: 20, protectChanges: false };
    expect(resolved(example(given))).toMatchObject(given);
  });

  it.each([
    'a.b',
    'xn--bcher-kva.example',
    'localhost',
    'app.localhost',
    '4.example',
    'example.4a',
    `${'a'.repeat(63)}.com`,
  ])('accepts the rpId %s', (rpId) => {
    expect(resolved({ rpId, origins: [`https://${rpId}`] })?.rpId).toBe(rpId);
  });

  it.each([
    undefined,
    null,
    '',
    7,
    ['Example.com'],
    'intranet',
    'Intranet',
    '127.0.0.1',
    '127.0.0.10',
    '127.1',
    '1.2.3.0x4',
    '[::1]',
    '::1',
    'https://example.com',
    'example.com:3000',
    'example.com.',
    '.example.com',
    'exa_mple.com',
    '-a.example',
    'a-.example',
    'example.-a',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(130)}com`,
  ])('refuses the rpId %j', (rpId) => {
    const problem = /option `passkeys\.rpId` must be the domain .* no IP address$/;
    expect(() => resolved(example({ rpId }))).toThrow(refusal(problem));
  });

  it.each([
    ['Example.com', 'example.com'],
    ['example.com/', 'example.com'],
    ['example.com\n', 'example.com'],
    ['bücher.example', 'xn--bcher-kva.example'],
  ])('refuses the rpId %j and proposes %s', (rpId, spelling) => {
    expect(() => resolved(example({ rpId }))).toThrow(refusal(new RegExp(`Did you mean ${spelling}\\?$`)));
  });

  it.each(['https://login.example.com', 'https://example.com:8443', `android:apk-key-hash:${'aZ0-_'.repeat(8)}abc`])(
    'accepts the origin %s',
    (origin) => {
      expect(resolved(example({ origins: ['https://example.com', origin] }))?.origins).toContain(origin);
    },
  );

  it.each(['http://localhost:3000', 'http://app.localhost'])('accepts the origin %s of localhost', (origin) => {
    expect(resolved({ rpId: 'localhost', origins: [origin] })?.origins).toEqual([origin]);
  });

  it.each([
    [undefined, /`passkeys\.origins` must be a list of at least one origin, such as \['https:\/\/example\.com'\]/],
    [[], /`passkeys\.origins` must be a list of at least one/],
    ['https://example.com', /`passkeys\.origins` must be a list/],
    [[7], /`passkeys\.origins\[0\]` must be an origin/],
    [['example.com'], /`passkeys\.origins\[0\]` must be an origin/],
    [['*'], /must be an origin/],
    [['null'], /must be an origin/],
    [['ftp://example.com'], /must be an origin/],
    [['chrome-extension://abcdef'], /must be an origin/],
    [['android:apk-key-hash:short'], /must be an origin/],
    [[`android:apk-key-hash:${'a'.repeat(44)}`], /must be an origin/],
    [[`x-android:apk-key-hash:${'a'.repeat(43)}`], /must be an origin/],
    [[[`android:apk-key-hash:${'a'.repeat(43)}`]], /must be an origin/],
    [[['https://example.com']], /must be an origin/],
    [['https://example.com/'], /must be written as browsers send it: https:\/\/example\.com$/],
    [['https://example.com/login?a#b'], /browsers send it: https:\/\/example\.com$/],
    [['https://Example.com'], /browsers send it: https:\/\/example\.com$/],
    [['https://example.com:443'], /browsers send it: https:\/\/example\.com$/],
    [['https://user:secret@example.com'], /browsers send it: https:\/\/example\.com$/],
    [['https://bücher.example.com'], /browsers send it: https:\/\/xn--bcher-kva\.example\.com$/],
    [['https://example.com '], /browsers send it: https:\/\/example\.com$/],
    [['https://example.org'], /its host must be example\.com/],
    [['https://badexample.com'], /its host must be example\.com/],
    [['https://example.com.evil.org'], /its host must be example\.com/],
    [['https://com'], /its host must be example\.com/],
    [['http://example.com'], /must begin with https:/],
    [['http://localhost.example.com'], /must begin with https:/],
    [['https://example.com', 'https://example.com'], /`passkeys\.origins\[1\]` repeats `passkeys\.origins\[0\]`/],
  ])('refuses the origins %j', (origins, message) => {
    expect(() => resolved(example({ origins }))).toThrow(refusal(message));
  });

  it.each([
    ['rpName', ''],
    ['rpName', 7],
    ['rpName', ' Acme'],
    ['rpName', 'a\u0007'],
    ['rpName', 'a'.repeat(65)],
    ['userVerification', 'discouraged'],
    ['max', 0],
    ['max', 21],
    ['protectChanges', 'no'],
  ])('refuses %s: %j', (name, value) => {
    expect(() => resolved(example({ [name]: value }))).toThrow(refusal(new RegExp(`option \`passkeys\\.${name}\``)));
  });

  it.each(['', true, ['example.com'], 'example.com'])('refuses %j in place of the group', (given) => {
    expect(() => resolved(given)).toThrow(refusal(/option `passkeys` must be an object/));
  });

  it('is resolved with the others, with the issuer as its name, and has only known names', () => {
    const options = { issuer: 'Acme', keys: [{ id: 'a', secret: 'k3y-'.repeat(4) + 'Zq8!xW2#pL5$nB7&' }] };
    const resolve = (passkeys: object | undefined) => resolveOptions({ ...options, passkeys } as MfaOptions).passkeys;
    expect(resolve(undefined)).toBeNull();
    expect(resolve(example({}))?.rpName).toBe('Acme');
    expect(() => resolve(example({ rpID: 'example.com' }))).toThrow(
      refusal(/`passkeys\.rpID` is unknown.*`passkeys\.rpId`/),
    );
  });
});

describe('requirePasskeys', () => {
  it('returns the option, and names it where it is left out', () => {
    const passkeys = resolved(example({}));
    expect(requirePasskeys({ passkeys })).toBe(passkeys);
    const problem = refusal(/passkeys need the option `passkeys`$/);
    expect(() => requirePasskeys({ passkeys: null })).toThrow(problem);
  });
});
