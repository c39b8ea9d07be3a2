import { describe, expect, it, vi } from 'vitest';
import { inMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { MfaChallengeOptions } from '../options/mfa-options.js';
import { ChallengeCookie } from './challenge-cookie.js';

function cookieOf(challenge: MfaChallengeOptions = {}): ChallengeCookie {
  return new ChallengeCookie(() => '/api/mfa', inMemoryMfa({ challenge }).options);
}

/** As Express and Node have it: a header is replaced. */
class NodeResponse {
  constructor(readonly headers: Record<string, number | string | string[]> = {}) {}
  getHeader(name: string) {
    return this.headers[name];
  }
  setHeader(name: string, value: string | string[]) {
    this.headers[name] = value;
  }
}

/** As Fastify has it: cookies are appended, and there is no `setHeader`. */
class Reply {
  readonly headers: [string, string][] = [];
  getHeader() {
    return undefined;
  }
  header(name: string, value: string) {
    this.headers.push([name, value]);
  }
}

const COOKIE = 'mfa_token=abc; Max-Age=300; Path=/api/mfa; HttpOnly; SameSite=Lax; Secure';

function written(challenge?: MfaChallengeOptions): unknown {
  const response = new NodeResponse();
  cookieOf(challenge).set(response, 'abc');
  return response.headers['Set-Cookie'];
}

describe('ChallengeCookie', () => {
  it('is for scripts, other sites and other routes out of reach, and ends with the token', () => {
    expect(written()).toEqual([COOKIE]);
  });

  it.each<[MfaChallengeOptions, string]>([
    [{ cookie: { name: 'second' } }, COOKIE.replace('mfa_token', 'second')],
    [{ lifetimeSeconds: 60 }, COOKIE.replace('300', '60')],
    [{ cookie: { secure: false } }, COOKIE.replace('; Secure', '')],
    [{ cookie: { path: '/auth' } }, COOKIE.replace('/api/mfa', '/auth')],
    [{ cookie: { sameSite: 'strict' } }, COOKIE.replace('Lax', 'Strict')],
    [{ cookie: { sameSite: 'none' } }, COOKIE.replace('Lax', 'None')],
    [{ cookie: { domain: 'acme.example' } }, COOKIE.replace('; HttpOnly', '; Domain=acme.example; HttpOnly')],
    [{ cookie: { name: null, path: null, secure: null, sameSite: null, domain: null } }, COOKIE],
    [{ cookie: null }, COOKIE],
  ])('heeds the options %j', (challenge, cookie) => {
    expect(written(challenge)).toEqual([cookie]);
  });

  it('is cleared by an empty one that has ended', () => {
    const response = new NodeResponse();
    cookieOf().clear(response);
    expect(response.headers['Set-Cookie']).toEqual([COOKIE.replace('abc', '').replace('300', '0')]);
  });

  it.each([
    ['one', 'own=1', ['own=1', COOKIE]],
    ['several', ['own=1', 'two=2'], ['own=1', 'two=2', COOKIE]],
  ])('keeps the cookies that the host has set: %s', (_, before, after) => {
    const response = new NodeResponse({ 'Set-Cookie': before });
    cookieOf().set(response, 'abc');
    expect(response.headers['Set-Cookie']).toEqual(after);
  });

  it('S21 forbids the answer that carries it to be stored', () => {
    const response = new NodeResponse();
    cookieOf().set(response, 'abc');
    expect(response.headers['Cache-Control']).toBe('no-store');
  });

  it('S21 does the same over Fastify', () => {
    const reply = new Reply();
    cookieOf().set(reply, 'abc');
    expect(reply.headers).toEqual([
      ['Cache-Control', 'no-store'],
      ['Set-Cookie', COOKIE],
    ]);
  });

  it('leaves alone what can set no headers', () => {
    expect(() => cookieOf().set({ getHeader: () => undefined }, 'abc')).not.toThrow();
  });

  it.each([
    ['mfa_token=abc', ['abc']],
    ['first=1; mfa_token=abc; last=2', ['abc']],
    ['first=1;mfa_token=abc', ['abc']],
    ['mfa_token=a=b', ['a=b']],
    ['mfa_token=abc ; last=2', ['abc']],
    ['mfa_token=one; first=1; mfa_token=; mfa_token=two', ['one', 'two']],
    ['mfa_token=', []],
    ['not_mfa_token=abc', []],
    ['mfa_tokens=abc', []],
    ['first=mfa_token=abc', []],
    ['', []],
    [undefined, []],
    [['mfa_token=abc'], []],
  ])('reads the header %j as %j', (header, tokens) => {
    expect(cookieOf().readAll(header)).toEqual(tokens);
  });

  it('S73 reads at most eight cookies of the name', () => {
    const header = Array.from({ length: 9 }, (_, index) => `mfa_token=${index}`).join('; ');
    expect(cookieOf().readAll(header)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });
});

describe('endSent', () => {
  const request = (cookie: string | undefined, getResponse: () => unknown) =>
    ({
      getType: () => 'http',
      switchToHttp: () => ({ getRequest: () => ({ headers: { cookie } }), getResponse }),
    }) as never;
  const end = (cookie: string | undefined, next?: { mfa_token: string; expiresIn: number }) => {
    const response = new NodeResponse();
    cookieOf().endSent(
      request(cookie, () => response),
      next,
    );
    return response.headers['Set-Cookie'];
  };

  it('clears the cookie that the request sent, or replaces its token', () => {
    expect(end('mfa_token=spent')).toEqual([COOKIE.replace('abc; Max-Age=300', '; Max-Age=0')]);
    expect(end('mfa_token=spent', { mfa_token: 'abc', expiresIn: 300 })).toEqual([COOKIE]);
  });

  it('writes nothing where the request sent no such cookie', () => {
    for (const cookie of [undefined, '', 'other=spent']) {
      expect(end(cookie, { mfa_token: 'abc', expiresIn: 300 })).toBeUndefined();
    }
  });

  it('throws nothing where the headers were sent already', () => {
    const getResponse = vi.fn<() => never>(() => {
      throw new Error('headers were sent');
    });
    expect(() => cookieOf().endSent(request('mfa_token=spent', getResponse))).not.toThrow();
    expect(getResponse).toHaveBeenCalledTimes(1);
  });
});
