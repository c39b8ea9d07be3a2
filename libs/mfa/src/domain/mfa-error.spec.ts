import { describe, expect, it } from 'vitest';
import { errorName, isMfaError, MfaError } from './mfa-error.js';

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

describe('errorName', () => {
  it.each<[unknown, string]>([
    [new MfaError('MFA_BUSY'), 'MFA_BUSY'],
    [new TypeError('code 123456'), 'TypeError'],
    ['code 123456', 'string'],
    [null, 'object'],
    [undefined, 'undefined'],
    [{ name: '123456' }, 'object'],
  ])('S64 of %o is %s, without what it says', (error, name) => {
    expect(errorName(error)).toBe(name);
  });

  const fail = () => {
    throw new Error('code 123456');
  };
  const trapped = { getPrototypeOf: fail, get: fail, has: fail };
  const unusual = { value: { toString: fail, [Symbol.toPrimitive]: fail } };

  it.each<[string, unknown]>([
    ['an error whose name throws', Object.defineProperty(new Error('x'), 'name', { get: fail })],
    ['an error whose name is not a string', Object.defineProperty(new Error('x'), 'name', unusual)],
    ['an error whose name is a symbol', Object.defineProperty(new Error('x'), 'name', { value: Symbol('x') })],
    ['an MfaError whose code throws', Object.defineProperty(new MfaError('MFA_BUSY'), 'code', { get: fail })],
    ['a proxy', new Proxy({}, trapped)],
    ['a proxy of an error', new Proxy(new Error('x'), trapped)],
    ['a revoked proxy', revoked()],
  ])('S122 never throws for %s, so that a log line cannot break the flow', (_, error) => {
    expect(errorName(error)).toBe('object');
  });
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
