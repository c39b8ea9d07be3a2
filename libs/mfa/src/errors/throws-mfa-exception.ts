import { toMfaException } from './mfa.exception.js';

type Method = (...args: unknown[]) => unknown;

const translating = new WeakSet<object>();

function rethrow(error: unknown): never {
  throw toMfaException(error);
}

/** Wraps a function: where `work` throws or rejects with an error of the domain, the result does so with an `MfaException`. */
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

/** Whether {@link throwingMfaException} returned this method. */
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
 * Class decorator for services that the host calls. It converts every `MfaError` that a method throws or rejects with
 * to an `MfaException`, for static and instance methods. So the domain does not depend on HTTP.
 */
export function ThrowsMfaException(): ClassDecorator {
  return (target) => {
    wrapMethodsOf(target);
    wrapMethodsOf(target.prototype as object);
  };
}
