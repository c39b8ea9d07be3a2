import { Injectable, UnsupportedMediaTypeException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { rememberRequest } from './route-request.js';

export type BodyHeaders = Record<string, string | undefined>;

/**
 * Refuses bodies that are not JSON with 415, so that no cross-site form or fetch without a preflight reaches a route. It also keeps every response out of caches.
 */
// S44b, S21
@Injectable()
export class JsonOnlyGuard implements CanActivate {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  canActivate(context: ExecutionContext): boolean {
    rememberRequest(context);
    const http = context.switchToHttp();
    this.adapterHost.httpAdapter.setHeader(http.getResponse(), 'Cache-Control', 'no-store');
    const { method, headers } = http.getRequest<{ method: string; headers: BodyHeaders }>();
    if (isJson(headers)) return true;
    const isEmpty = headers['content-type'] === undefined && !hasBody(headers);
    if (isEmpty && (isRead(method) || isSameOrigin(headers))) return true;
    throw new UnsupportedMediaTypeException('The body must be application/json');
  }
}

const isRead = (method: string) => method === 'GET' || method === 'HEAD';

const isJson = ({ 'content-type': type }: BodyHeaders) =>
  type !== undefined && /^\s*application\/json\s*(;|$)/i.test(type);

/** RFC 9112 §6.3: a request has a body exactly if one of these headers announces it. */
export const hasBody = (headers: BodyHeaders) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/**
 * Whether a request that needed no preflight comes from the application's own page, from the user's own action, or from
 * a client that is not a browser. Without `Sec-Fetch-Site` (W3C Fetch Metadata) a cookie may be a browser's.
 */
function isSameOrigin({ 'sec-fetch-site': site, cookie }: BodyHeaders): boolean {
  return site === undefined ? cookie === undefined : site === 'same-origin' || site === 'none';
}
