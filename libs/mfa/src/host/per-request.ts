import type { ExecutionContext } from '@nestjs/common';

/** Keeps one value per request, so that several guards and resolvers of a request compute it once. */
export class PerRequest<T> {
  private readonly kept = new WeakMap<object, { request: unknown; value: T }>();

  /** The value of this request: the one that is kept, else what `make` returns. */
  of(context: ExecutionContext, make: () => T): T {
    const key = requestKey(context);
    if (!key) return make();
    const kept = this.kept.get(key.holder);
    if (kept && kept.request === key.request) return kept.value;
    const value = make();
    this.kept.set(key.holder, { request: key.request, value });
    return value;
  }
}

/** What stands for one request: a value is kept while both are the same. */
interface RequestKey {
  /** Keeps the result no longer than this object lives. */
  holder: object;
  /**
   * A GraphQL context may be one object for all requests, or for all operations of a WebSocket connection. So with it
   * go the variables of the operation, which graphql-js makes for each execution, else the HTTP request.
   */
  request: unknown;
}

/**
 * The request of a context, or `null` where no object is known to belong to one request alone. A WebSocket client
 * sends many messages, and a context of `ExternalContextCreator` has the type `http` whatever its arguments are.
 */
function requestKey(context: ExecutionContext): RequestKey | null {
  const type = context.getType<string>();
  if (type === 'graphql') {
    const [holder, info] = [context.getArgByIndex<unknown>(2), context.getArgByIndex<GraphqlInfo | undefined>(3)];
    return isObject(holder) ? { holder, request: info?.variableValues ?? (holder as { req?: unknown }).req } : null;
  }
  const request: unknown = type === 'http' ? context.switchToHttp().getRequest() : null;
  return isObject(request) && isObject((request as { headers?: unknown }).headers)
    ? { holder: request, request }
    : null;
}

/** The part of a `GraphQLResolveInfo` that is used here. */
interface GraphqlInfo {
  variableValues?: object;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
