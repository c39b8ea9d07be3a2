import {
  Injectable,
  Logger,
  UnsupportedMediaTypeException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import { rememberRequest } from './request-reader.js';

const REMEDY =
  'The body of a request to an MFA route was not parsed. The application was created with `bodyParser: false`, or its ' +
  'parser does not run for this path or leaves bytes. Remove `bodyParser: false`, or parse JSON on these routes, as ' +
  "`app.use('/mfa', express.json())` does";

/** RFC 9110 §8.3.1. Parsers leave a body whose media type is malformed unread, without an error (Express 4). */
const MEDIA_TYPE = /^[^;\s]+(?:\s*;\s*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"\\]*"))*\s*$/;

interface BodyRequest {
  method: string;
  headers: Record<string, string | undefined>;
  body?: unknown;
}

/**
 * Admits bodies that are JSON and that a parser has read. It also remembers the request for its handler, and keeps every
 * response out of caches.
 */
// S21
@Injectable()
export class JsonBodyGuard implements CanActivate {
  private readonly logger = new Logger('nestjs-mfa');
  private logged = false;

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  canActivate(context: ExecutionContext): boolean {
    rememberRequest(context);
    const http = context.switchToHttp();
    this.adapterHost.httpAdapter.setHeader(http.getResponse(), 'Cache-Control', 'no-store');
    const request = http.getRequest<BodyRequest>();
    requireJson(request);
    this.requireParsed(request);
    return true;
  }

  /**
   * Refuses a request whose body nobody parsed with 500, and logs the remedy once. Its fields would seem to be missing,
   * and every code and token would be refused.
   */
  private requireParsed({ method, headers, body }: BodyRequest): void {
    // Fastify reads no body of a GET, and no parser reads one that is empty.
    const expected = (method === 'POST' || method === 'PATCH') && hasBody(headers);
    if (!expected || (body !== undefined && !(body instanceof Uint8Array))) return;
    // The client's mistake, and not the application's.
    if (!MEDIA_TYPE.test(headers['content-type'] ?? '')) {
      throw new UnsupportedMediaTypeException('The content type is malformed');
    }
    if (!this.logged) this.logger.error(REMEDY);
    this.logged = true;
    throw new MfaException('MFA_MISCONFIGURED');
  }
}

/**
 * Refuses bodies that are not JSON with 415, so that no cross-site form or fetch without a preflight reaches a
 * route.
 */
// S44b
function requireJson({ method, headers }: BodyRequest): void {
  const type = headers['content-type'];
  if (type !== undefined && /^\s*application\/json\s*(;|$)/i.test(type)) return;
  const isEmpty = type === undefined && !hasBody(headers);
  if (isEmpty && (method === 'GET' || method === 'HEAD' || isSameOrigin(headers))) return;
  throw new UnsupportedMediaTypeException('The body must be application/json');
}

/** RFC 9112 §6.3: a request has a body exactly if one of these headers announces it. */
const hasBody = (headers: BodyRequest['headers']) =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/**
 * Whether a request that needed no preflight comes from the application's own page, from the user's own action, or from
 * a client that is not a browser. Without `Sec-Fetch-Site` (W3C Fetch Metadata) a cookie may be a browser's.
 */
function isSameOrigin({ 'sec-fetch-site': site, cookie }: BodyRequest['headers']): boolean {
  return site === undefined ? cookie === undefined : site === 'same-origin' || site === 'none';
}
