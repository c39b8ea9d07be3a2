import type { ExecutionContext } from '@nestjs/common';

/** Stores one value per request, so that several guards and resolvers of a request compute it once. */
export class PerRequest<T> {
  private readonly kept = new WeakMap<object, { request: unknown; value: T }>();

  /** Returns the stored value of this request. Without one, calls `make` and stores its result. */
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

/** Identifies one request. A stored value is returned while both properties are the same. */
interface RequestKey {
  /** Key of the WeakMap: the value is garbage-collected with this object. */
  holder: object;
  /**
   * For GraphQL: the variables of the operation, which graphql-js creates for each execution; else the HTTP request. The
   * context alone is not enough, because it may be one object for all requests or for a whole WebSocket connection.
   */
  request: unknown;
}

/**
 * Returns the request of a context. `null` = no object of the context is certain to belong to one request only. A
 * WebSocket client sends many messages, and a context of `ExternalContextCreator` has the type `http` with any arguments.
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
