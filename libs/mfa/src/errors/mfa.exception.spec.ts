import { HttpException } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { MfaError } from '../domain/mfa-error.js';
import { isMfaException, MfaException, toMfaException } from './mfa.exception.js';

describe('MfaException', () => {
  it('is an HttpException with the body of the contract', () => {
    const error = new MfaException('MFA_LOCKED', { retryAfterSeconds: 9 });
    expect(error).toBeInstanceOf(HttpException);
    expect(error.getStatus()).toBe(429);
    expect(error.getResponse()).toEqual({
      statusCode: 429,
      code: 'MFA_LOCKED',
      message: 'Too many attempts. Wait, or use another factor.',
      error: 'Too Many Requests',
      retryAfterSeconds: 9,
    });
    expect(error.headers).toEqual({ 'Cache-Control': 'no-store', 'Retry-After': '9' });
    expect(error.extensions).toEqual(error.getResponse());
  });

  it.each([
    [['code'], 'This change needs a current code.'],
    [['password'], 'This change needs the password.'],
    [['recent-sign-in'], 'This change needs a sign-in within the last minutes.'],
    [['code', 'password'], 'This change needs a current code or the password.'],
  ] as const)('carries the missing proof %j and names it', (proof, message) => {
    const error = new MfaException('MFA_PROOF_REQUIRED', { proof });
    expect(error.getResponse()).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof, message });
    expect(error.message).toBe(message);
  });

  it('has messages of several fields as one text, and as a list in the body', () => {
    const error = new MfaException('MFA_BAD_REQUEST', { message: ['one', 'two'] });
    expect(error.message).toBe('one; two');
    expect(error.getResponse()).toMatchObject({ message: ['one', 'two'] });
  });
});

describe('toMfaException', () => {
  it('turns an error of the domain into the exception of the same code, with its details and its cause', () => {
    const cause = new MfaError('MFA_BUSY', { retryAfterSeconds: 1, message: 'slow' });
    const error = toMfaException(cause);
    expect(error).toBeInstanceOf(MfaException);
    expect(error).toMatchObject({ code: 'MFA_BUSY', message: 'slow', details: { retryAfterSeconds: 1 }, cause });
  });

  it.each([new MfaException('MFA_BUSY'), new TypeError('no user id'), 'text', null, undefined])(
    'leaves %o as it is',
    (error) => {
      expect(toMfaException(error)).toBe(error);
    },
  );

  it('S3 drops the text of a secret that cannot be opened', () => {
    expect(toMfaException(new MfaError('MFA_SECRET_UNREADABLE', { message: 'row 7, key k1' }))).toMatchObject({
      message: 'The code was not accepted. If it was just used, wait for the next one.',
    });
  });
});

describe('isMfaException', () => {
  it('recognises its own exceptions and nothing else', () => {
    const others = [null, undefined, 'MFA_BUSY', new MfaError('MFA_BUSY'), new HttpException('MFA_BUSY', 503)];
    expect(isMfaException(new MfaException('MFA_BUSY'))).toBe(true);
    expect(others.filter(isMfaException)).toEqual([]);
  });
});
