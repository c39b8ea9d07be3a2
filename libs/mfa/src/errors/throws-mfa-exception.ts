import { toMfaException } from './mfa.exception.js';

type Method = (...args: unknown[]) => unknown;

const translating = new WeakSet<object>();

function rethrow(error: unknown): never {
  throw toMfaException(error);
}

/** The same function, which throws an `MfaException` where `work` throws an error of the domain, now or later. */
export function throwingMfaException<F extends (...args: never[]) => unknown>(work: F): F {
  const method = work as unknown as Method;
  const wrapped = function (this: unknown, ...args: unknown[]): unknown {
    try {
      const result = method.apply(this, args);
      return result instanceof Promise ? result.catch(rethrow) : result;
    } catch (error) {
      return rethrow(error);
    }
  };
  Object.defineProperty(wrapped, 'name', { value: work.name });
  Object.defineProperty(wrapped, 'length', { value: work.length });
  translating.add(wrapped);
  return wrapped as unknown as F;
}

/** Whether `method` is one that {@link throwingMfaException} returned. */
export function throwsMfaException(method: object): boolean {
  return translating.has(method);
}

function wrapMethodsOf(target: object): void {
  for (const name of Object.getOwnPropertyNames(target)) {
    const descriptor = Object.getOwnPropertyDescriptor(target, name)!;
    if (name === 'constructor' || name === 'prototype' || typeof descriptor.value !== 'function') continue;
    Object.defineProperty(target, name, { ...descriptor, value: throwingMfaException(descriptor.value as Method) });
  }
}

/**
 * Marks a class that the host calls: whatever its methods throw as `MfaError`, synchronous or not, static or not,
 * leaves as `MfaException`. The domain stays free of HTTP.
 */
export function ThrowsMfaException(): ClassDecorator {
  return (target) => {
    wrapMethodsOf(target);
    wrapMethodsOf(target.prototype as object);
  };
}
