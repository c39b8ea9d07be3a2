import type { ExecutionContext } from '@nestjs/common';

/** The context of each request to a built-in route. It is kept outside the request, where no pipe or client reaches it. */
const contexts = new WeakMap<object, ExecutionContext>();
/** Requests whose own handler ran. */
const handled = new WeakSet<object>();

export function rememberContext(context: ExecutionContext): void {
  contexts.set(context.switchToHttp().getRequest<object>(), context);
}

/** The context of a request to a built-in route. Each handler calls it first, which marks the request as handled. */
export function openRequest(request: object): ExecutionContext {
  handled.add(request);
  return contexts.get(request)!;
}

/** Whether the handler of this very request ran. */
export function wasHandled(request: object): boolean {
  return handled.has(request);
}
