import { describe, expect, it } from 'vitest';
import { choosePort, parseOrigin, passkeysOf } from './origin.js';

describe('ORIGIN', () => {
  it.each([
    ['https://mfa.example.com', 'https://mfa.example.com'],
    ['https://MFA.example.com:443/', 'https://mfa.example.com'],
    ['https://example.com:8443', 'https://example.com:8443'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['http://localhost:8080', 'http://localhost:8080'],
    ['http://demo.localhost', 'http://demo.localhost'],
    [undefined, undefined],
  ])('takes %s', (given, taken) => expect(parseOrigin(given)).toBe(taken));

  it.each([
    ...['mfa.example.com', '*', 'null', 'https://', 'ftp://example.com', 'localhost:3000'],
    ...['http://example.com', 'http://127.0.0.1:3000', 'https://127.0.0.1', 'https://[::1]:3000', 'https://intranet'],
    ...['https://example.com/login', 'https://example.com?a', 'https://example.com/#a', 'https://a_b.example.com'],
    ...['https://user:secret@example.com', 'https://example.com.', 'https://a.example.com,https://b.example.com'],
  ])('refuses %s, says what is possible and does not repeat the value', (value) => {
    expect(() => parseOrigin(value)).toThrow(/^ORIGIN must be the address of the page/);
    if (value.includes('secret')) expect(() => parseOrigin(value)).not.toThrow('secret');
  });
});

describe('the passkeys of the demo', () => {
  it('belong to localhost and the port, or to the host of ORIGIN', () => {
    expect(passkeysOf({ port: 3000 })).toEqual({ rpId: 'localhost', origins: ['http://localhost:3000'] });
    expect(passkeysOf({ port: 80 }).origins).toEqual(['http://localhost']);
    expect(passkeysOf({ port: 3000, origin: 'https://mfa.example.com:8443' })).toEqual({
      rpId: 'mfa.example.com',
      origins: ['https://mfa.example.com:8443'],
    });
  });

  it('know a free port before the application starts', async () => {
    const { port } = await choosePort({ port: 0 });
    expect(port).toBeGreaterThan(0);
    expect(await choosePort({ port: 3000 })).toEqual({ port: 3000 });
  });
});
