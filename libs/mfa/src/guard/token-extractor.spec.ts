import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it, vi } from 'vitest';
import { inMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { MfaChallengeOptions } from '../options/mfa-options.js';
import { TokenExtractor } from './token-extractor.js';

function contextOf(request: object, type = 'http'): ExecutionContext {
  const context = new ExecutionContextHost([request, {}]);
  context.setType(type);
  return context;
}

function extract(request: object, challenge?: MfaChallengeOptions, type?: string): string | null {
  const { cookie, tokens, options } = inMemoryMfa({ challenge });
  return new TokenExtractor(cookie, tokens, options).extract(contextOf(request, type));
}

const EVERYWHERE = {
  body: { mfa_token: 'of-body' },
  headers: { authorization: 'Bearer of-bearer', 'x-mfa-token': 'of-header', cookie: 'mfa_token=of-cookie' },
};
const { 'x-mfa-token': ownHeader, cookie } = EVERYWHERE.headers;

describe('TokenExtractor', () => {
  it.each([
    ['the body before all else', EVERYWHERE, 'of-body'],
    ['Bearer before the own header', { ...EVERYWHERE, body: {} }, 'of-bearer'],
    ['the own header before the cookie', { headers: { 'x-mfa-token': ownHeader, cookie } }, 'of-header'],
    ['the cookie at last', { headers: { cookie } }, 'of-cookie'],
    ['an empty field of the body, and so nothing', { ...EVERYWHERE, body: { mfa_token: '' } }, null],
    ['Bearer where the field of the body is null', { ...EVERYWHERE, body: { mfa_token: null } }, 'of-bearer'],
    ['the headers where the body is null', { ...EVERYWHERE, body: null }, 'of-bearer'],
    ['the headers where the body is text', { ...EVERYWHERE, body: 'mfa_token' }, 'of-bearer'],
    ['nothing where there is nothing', { headers: {} }, null],
    ['nothing where there are not even headers', {}, null],
    ['nothing that a body inherits', { headers: {}, body: Object.create({ mfa_token: 'inherited' }) as object }, null],
  ])('takes %s', (_, request, token) => {
    expect(extract(request)).toBe(token);
  });

  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER   abc', 'abc'],
    ['Bearer', null],
    ['Bearer ', null],
    ['Bearerabc', null],
    ['Bearer a b', null],
    [' Bearer abc', null],
    ['Basic abc', null],
    ['Basic Bearer abc', null],
    [['Bearer abc'], null],
    [undefined, null],
  ])('reads the Authorization header %j as %j', (value, token) => {
    expect(extract({ headers: { authorization: value } })).toBe(token);
  });

  describe('where a cookie of the name is sent several times', () => {
    const mfa = inMemoryMfa();
    const foreign = inMemoryMfa({ issuer: 'Other' }).tokens.sign('ann', 1);
    const own = mfa.tokens.sign('ann', 1);
    const found = (...values: string[]) => {
      const cookie = values.map((value) => `mfa_token=${value}`).join('; ');
      return new TokenExtractor(mfa.cookie, mfa.tokens, mfa.options).extract(contextOf({ headers: { cookie } }));
    };

    it('S73 takes the first with a valid signature and lifetime, among the first eight', () => {
      const later = mfa.tokens.sign('bob', 1);
      expect(found('rubbish', '', foreign, own, later)).toBe(own);
      expect(found(...Array<string>(7).fill('rubbish'), own)).toBe(own);
      expect(found(...Array<string>(8).fill('rubbish'), own)).toBe('rubbish');
    });

    it('S73 passes over one that has expired', () => {
      const expired = mfa.tokens.sign('ann', 1);
      mfa.clock.advance(301);
      const fresh = mfa.tokens.sign('ann', 1);
      expect(found(expired, fresh)).toBe(fresh);
      expect(found(expired, 'rubbish')).toBe(expired);
    });
  });

  it.each([[['a', 'b']], [{}], [7], [true], ['x'.repeat(4097)]])(
    'S24 refuses with 400 what is no token: %j',
    (mfa_token) => {
      expect(() => extract({ body: { mfa_token } })).toThrow(
        expect.objectContaining({
          code: 'MFA_BAD_REQUEST',
          details: { message: ['mfa_token must be a string of at most 4096 characters'] },
        }),
      );
    },
  );

  it('takes a token of 4096 characters', () => {
    expect(extract({ body: { mfa_token: 'x'.repeat(4096) } })).toHaveLength(4096);
  });

  it('asks the host instead where it gives extractToken, and nobody else', () => {
    const extractToken = (context: ExecutionContext) => context.getArgByIndex<{ own: string }>(0).own;
    expect(extract({ ...EVERYWHERE, own: 'of-host' }, { extractToken })).toBe('of-host');
    expect(extract(EVERYWHERE, { extractToken: () => null })).toBeNull();
    expect(extract(EVERYWHERE, { extractToken: () => undefined })).toBeNull();
    expect(() => extract({}, { extractToken: () => 7 as never })).toThrow(
      expect.objectContaining({ code: 'MFA_BAD_REQUEST' }),
    );
  });

  it.each(['ws', 'rpc', 'graphql'])('S46 finds none over %s', (type) => {
    const extractToken = vi.fn<() => string>(() => 'of-host');
    expect(extract(EVERYWHERE, undefined, type)).toBeNull();
    expect(extract(EVERYWHERE, { extractToken }, type)).toBeNull();
    expect(extractToken).not.toHaveBeenCalled();
  });
});
