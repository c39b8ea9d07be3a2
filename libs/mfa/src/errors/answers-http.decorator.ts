import { toHttp } from './mfa-http.exception.js';

type AsyncMethod = (...args: unknown[]) => unknown;

function answering(method: AsyncMethod): AsyncMethod {
  return async function (this: unknown, ...args: unknown[]) {
    try {
      return await method.apply(this, args);
    } catch (error) {
      throw toHttp(error);
    }
  };
}

/**
 * Marks a public service: what its asynchronous methods throw as `MfaError` leaves as `MfaHttpException`.
 * The domain stays free of HTTP, and a host's own controller answers as the built-in ones do.
 */
export function AnswersHttp(): ClassDecorator {
  return ({ prototype }) => {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, name)!;
      if (descriptor.value?.constructor?.name !== 'AsyncFunction') continue;
      Object.defineProperty(prototype, name, { ...descriptor, value: answering(descriptor.value as AsyncMethod) });
    }
  };
}
