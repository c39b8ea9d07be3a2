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

const encoded = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');
/** A JWT of that type; neither signature nor claims matter here. */
const ofType = (typ: unknown) => `${encoded({ alg: 'HS256', typ })}.e30.c2ln`;
const MFA = ofType('mfa+jwt');

const EVERYWHERE = {
  body: { mfa_token: 'of-body' },
  headers: { authorization: `Bearer ${MFA}`, 'x-mfa-token': 'of-header', cookie: 'mfa_token=of-cookie' },
};
const { authorization, cookie } = EVERYWHERE.headers;

describe('TokenExtractor', () => {
  it.each([
    ['the body before all else', EVERYWHERE, 'of-body'],
    ['the own header before Bearer', { ...EVERYWHERE, body: {} }, 'of-header'],
    ['Bearer before the cookie', { headers: { authorization, cookie } }, MFA],
    ['the cookie beside a Bearer of the host', { headers: { authorization: 'Bearer abc', cookie } }, 'of-cookie'],
    ['the cookie at last', { headers: { cookie } }, 'of-cookie'],
    ['an empty field of the body, and so nothing', { ...EVERYWHERE, body: { mfa_token: '' } }, null],
    ['the headers where the field of the body is null', { ...EVERYWHERE, body: { mfa_token: null } }, 'of-header'],
    ['the headers where the body is null', { ...EVERYWHERE, body: null }, 'of-header'],
    ['the headers where the body is text', { ...EVERYWHERE, body: 'mfa_token' }, 'of-header'],
    ['an empty own header, and so nothing', { headers: { 'x-mfa-token': '', authorization, cookie } }, null],
    ['nothing where there is nothing', { headers: {} }, null],
    ['nothing where there are not even headers', {}, null],
    ['nothing that a body inherits', { headers: {}, body: Object.create({ mfa_token: 'inherited' }) as object }, null],
  ])('takes %s', (_, request, token) => {
    expect(extract(request)).toBe(token);
  });

  it.each([
    [`Bearer ${MFA}`, MFA],
    [`bearer ${MFA}`, MFA],
    [`BEARER   ${MFA}`, MFA],
    [`Bearer ${ofType('application/MFA+JWT')}`, ofType('application/MFA+JWT')],
    [`Bearer ${ofType('JWT')}`, null],
    [`Bearer ${ofType('at+jwt')}`, null],
    [`Bearer ${ofType(undefined)}`, null],
    [`Bearer ${ofType(['mfa+jwt'])}`, null],
    [`Bearer ${encoded(null)}.e30.c2ln`, null],
    [`Bearer ${encoded({ typ: 'mfa+jwt', x: 'x'.repeat(600) })}.e30.c2ln`, null],
    ['Bearer abc', null],
    [`Bearer ${'x'.repeat(9000)}`, null],
    ['Bearer', null],
    ['Bearer ', null],
    [`Bearer${MFA}`, null],
    [`Bearer ${MFA} ${MFA}`, null],
    [` Bearer ${MFA}`, null],
    [`Basic ${MFA}`, null],
    [`Basic Bearer ${MFA}`, null],
    [[`Bearer ${MFA}`], null],
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

  it.each([[['a', 'b']], [{}], [7], [true], ['x'.repeat(10_241)]])(
    'S24 refuses with 400 a value that is not a token: %j',
    (mfa_token) => {
      expect(() => extract({ body: { mfa_token } })).toThrow(
        expect.objectContaining({
          code: 'MFA_BAD_REQUEST',
          details: { message: ['mfa_token must be a string of at most 10240 characters'] },
        }),
      );
    },
  );

  it('takes a token of 10240 characters', () => {
    expect(extract({ body: { mfa_token: 'x'.repeat(10240) } })).toHaveLength(10240);
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
