import { describe, expect, it } from 'vitest';
import { isMfaError, MfaError } from './mfa-error.js';

describe('MfaError', () => {
  it.each([
    [undefined, 'MFA_BUSY'],
    ['one sentence', 'one sentence'],
    [['one', 'two'], 'one; two'],
  ])('given the message %j reads %j', (message, text) => {
    const error = new MfaError('MFA_BUSY', { message });
    expect([error.message, String(error)]).toEqual([text, `MfaError: ${text}`]);
    expect(error.details.message).toBe(message);
  });

  it('carries its code, its details and its cause', () => {
    const cause = new Error('below');
    const error = new MfaError('MFA_LOCKED', { retryAfterSeconds: 9, cause });
    expect(error).toMatchObject({ code: 'MFA_LOCKED', details: { retryAfterSeconds: 9 }, cause });
    expect(new MfaError('MFA_LOCKED').details).toEqual({});
  });
});

describe('isMfaError', () => {
  it('knows its own, and those of another copy of the library', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('nestjs-mfa:error')]: true });
    expect([new MfaError('MFA_BUSY'), foreign].map(isMfaError)).toEqual([true, true]);
  });

  it.each([null, undefined, 'MFA_BUSY', 7, {}, new Error('MFA_BUSY'), { code: 'MFA_BUSY', name: 'MfaError' }])(
    'does not take %o for one',
    (error) => {
      expect(isMfaError(error)).toBe(false);
    },
  );
});
