import type { ExecutionContext } from '@nestjs/common';

/** A request to a built-in route, as it was when the guards of the route ran. */
interface SentRequest {
  context: ExecutionContext;
  body: unknown;
  params: unknown;
}

/** Each request to a built-in route. It is kept outside the request, where no pipe, interceptor or client reaches it. */
// S69
const requests = new WeakMap<object, SentRequest>();
/** Requests whose own handler ran. */
const handled = new WeakSet<object>();

/** Guards run before interceptors, one of which may redact the fields of a body for a log. */
export function rememberRequest(context: ExecutionContext): void {
  const request = context.switchToHttp().getRequest<{ body?: unknown; params?: unknown }>();
  requests.set(request, { context, body: copyOf(request.body), params: copyOf(request.params) });
}

/** The request as it was sent. Each handler calls it first, which marks the request as handled. */
export function openRequest(request: object): SentRequest {
  handled.add(request);
  return requests.get(request)!;
}

/** Whether the handler of this very request ran. */
export function wasHandled(request: object): boolean {
  return handled.has(request);
}

/** The fields that the routes read are strings, so a copy of the object alone is enough. */
function copyOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : value;
}
