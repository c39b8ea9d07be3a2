import { describe, expect, it } from 'vitest';
import { MfaError } from '../domain/mfa-error.js';
import * as publicApi from '../index.js';
import { MfaException } from './mfa.exception.js';
import { ThrowsMfaException, throwsMfaException } from './throws-mfa-exception.js';

const refusal = () => new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });

@ThrowsMfaException()
class Service {
  private readonly name = 'service';

  static refuse(): never {
    throw refusal();
  }
  sync(): never {
    throw refusal();
  }
  async asynchronous(): Promise<never> {
    throw refusal();
  }
  promising(): Promise<never> {
    return Promise.reject(refusal());
  }
  value(a: number, b: number) {
    return `${this.name} ${a + b}`;
  }
  async later(a: number) {
    return `${this.name} ${a}`;
  }
  other(): never {
    throw new TypeError('no user id');
  }
}

describe('@ThrowsMfaException', () => {
  const service = new Service();

  it.each([
    ['a synchronous method', () => service.sync()],
    ['an asynchronous method', () => service.asynchronous()],
    ['a method that returns a promise', () => service.promising()],
    ['a static method', () => Service.refuse()],
  ])('S68 makes an error of the domain an MfaException in %s', async (_, call) => {
    const thrown = await (async () => call())().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(MfaException);
    expect(thrown).toMatchObject({ code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } });
  });

  it('leaves results, arguments, `this` and other errors as they are', async () => {
    expect(service.value(1, 2)).toBe('service 3');
    await expect(service.later(4)).resolves.toBe('service 4');
    expect(() => service.other()).toThrow(TypeError);
    expect([service.value.name, service.value.length]).toEqual(['value', 2]);
  });
});

describe('the public services', () => {
  const services = Object.entries(publicApi).filter(([name]) => name.endsWith('Service')) as [
    string,
    { prototype: object },
  ][];
  const methods = services.flatMap(([name, { prototype }]) =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype))
      .filter(([method, { value }]) => method !== 'constructor' && typeof value === 'function')
      .map(([method, { value }]) => ({ method: `${name}.${method}`, value: value as object })),
  );

  it('are twelve, and every class that the module exports for injection is one of them', () => {
    expect(services.map(([name]) => name)).toHaveLength(12);
    const { exports = [] } = publicApi.MfaModule.forRoot({
      issuer: 'Acme',
      keys: [],
      host: class extends publicApi.MfaHost {
        principal = () => null;
        completeLogin = () => null;
      },
    });
    const exported = exports.map((each) => (each as { name: string }).name).filter((name) => name.endsWith('Service'));
    expect(exported.toSorted()).toEqual(services.map(([name]) => name).toSorted());
  });

  it.each(methods)('S68 $method throws MfaException', ({ value }) => {
    expect(throwsMfaException(value)).toBe(true);
  });

  it('do not show the error of the domain', () => {
    expect(Object.keys(publicApi)).not.toContain('MfaError');
  });
});
