import { describe, expect, it } from 'vitest';
import { cookieValues } from './cookies.js';

const NAME = '__Host-mfa-device-1';

describe('the values of a cookie', () => {
  it('are those of its name, in their order, without spaces and tabs around them', () => {
    expect(cookieValues(`other=0; ${NAME}=a;${NAME}=b ;\t${NAME}=c; ${NAME}2=d`, NAME)).toEqual(['a', 'b', 'c']);
  });

  it('are at most eight, and none is empty', () => {
    const header = `${NAME}=; ${Array.from({ length: 10 }, (_, n) => `${NAME}=${n}`).join('; ')}`;
    expect(cookieValues(header, NAME)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });

  // Node.js reads headers as Latin-1, so these are single bytes of a request.
  it.each(['\u00a0', '\u0085', '\u000b', '\ufeff', '-'])('S110 are not those of a name that begins with %j', (char) => {
    expect(cookieValues(`${char}${NAME}=planted; ${NAME}=own`, NAME)).toEqual(['own']);
  });

  it.each([undefined, null, 7, ['a=b']])('are none of a header that is %j', (header) => {
    expect(cookieValues(header, NAME)).toEqual([]);
  });
});
