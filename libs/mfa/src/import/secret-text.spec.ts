import { describe, expect, it } from 'vitest';
import { decodeSecret } from './secret-text.js';

const BYTES = Buffer.from('3dc6caa4824a6d288767b2331e20b43166cb85d9', 'hex');
const BASE32 = 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ';

describe('the text of a secret', () => {
  it.each([
    ['base32', BASE32],
    ['base32', BASE32.toLowerCase()],
    ['base32', ` ${BASE32.match(/.{4}/g)!.join(' ')}\n`],
    ['base32', BASE32.match(/.{8}/g)!.join('-')],
    ['hex', BYTES.toString('hex')],
    ['hex', BYTES.toString('hex').toUpperCase()],
    ['base64', BYTES.toString('base64')],
    ['base64', BYTES.toString('base64url')],
  ] as const)('%s %j stands for its bytes', (encoding, text) => {
    expect(decodeSecret(text, encoding)).toEqual(BYTES);
  });

  it('base32 may be padded', () => {
    expect(decodeSecret('MZXW6YTBOI======', 'base32')).toEqual(Buffer.from('foobar'));
  });

  it('ascii is its own bytes, with the symbols that speakeasy uses', () => {
    expect(decodeSecret('k$M#?E!x{[(,;:>', 'ascii')).toEqual(Buffer.from('k$M#?E!x{[(,;:>'));
  });

  it.each([
    ['base32', 'HXDMVJEC1'],
    ['base32', 'HXDMVJEC8'],
    ['base32', '!'],
    ['base32', ''],
    ['base32', '===='],
    ['hex', 'abc'],
    ['hex', 'xyzw'],
    ['base64', 'a'],
    ['base64', 'ab*d'],
    ['ascii', 'with space'],
    ['ascii', 'ümlaut'],
    ['ascii', ''],
  ] as const)('%s %j is none', (encoding, text) => {
    expect(decodeSecret(text, encoding)).toBeNull();
  });

  it.each([1, 3, 6])('base32 that was cut off after %i symbols of a group is none (RFC 4648 §6)', (over) => {
    expect(decodeSecret(BASE32.slice(0, 24 + over), 'base32')).toBeNull();
  });

  it('of more than 128 bytes is none', () => {
    expect(decodeSecret('ab'.repeat(128), 'hex')).toHaveLength(128);
    expect(decodeSecret('ab'.repeat(129), 'hex')).toBeNull();
  });
});
