import type { ExecutionContext } from '@nestjs/common';

/** What stands for one request: the result of `principal()` is kept while both are the same. */
export interface RequestKey {
  /** Keeps the result no longer than this object lives. */
  holder: object;
  /** The HTTP request below `holder`. A GraphQL context may be one object for all requests, its `req` is not. */
  request: unknown;
}

/**
 * The request of a context, or `null` where no object is known to belong to one request alone. A WebSocket client
 * sends many messages, and a context of `ExternalContextCreator` has the type `http` whatever its arguments are.
 */
export function requestKey(context: ExecutionContext): RequestKey | null {
  const type = context.getType<string>();
  if (type === 'graphql') {
    const holder: unknown = context.getArgByIndex(2);
    return isObject(holder) ? { holder, request: (holder as { req?: unknown }).req } : null;
  }
  const request: unknown = type === 'http' ? context.switchToHttp().getRequest() : null;
  return isObject(request) && isObject((request as { headers?: unknown }).headers)
    ? { holder: request, request }
    : null;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
