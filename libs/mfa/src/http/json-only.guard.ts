import { Injectable, UnsupportedMediaTypeException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/**
 * Bodies are JSON or refused with 415, so that no cross-site form reaches a route (S44b). A request without any body
 * passes; what a route needs of it is refused as missing. It also keeps every answer out of caches (S21).
 */
@Injectable()
export class JsonOnlyGuard implements CanActivate {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    this.adapterHost.httpAdapter.setHeader(http.getResponse(), 'Cache-Control', 'no-store');
    const { headers } = http.getRequest<{ headers: Record<string, string | undefined> }>();
    const type = headers['content-type'];
    // RFC 9112 §6.3: a request has a body exactly if one of these headers says so.
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    const isJson = type !== undefined && /^\s*application\/json\s*(;|$)/i.test(type);
    if (isJson || (type === undefined && !hasBody)) return true;
    throw new UnsupportedMediaTypeException('The body must be application/json');
  }
}
