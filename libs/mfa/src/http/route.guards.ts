import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
  NotFoundException,
  type Type,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import { MfaHostAccess } from '../host/host-access.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { rememberRequest, wasHandled } from './request-reader.js';

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
   * Refuses a request with an unparsed body with 500, and logs the remedy once. Its fields would seem to be missing,
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

interface SendingResponse {
  statusCode: number;
  send(body?: unknown): unknown;
}

/**
 * Sends no success that the handler of this very request did not produce, as an interceptor does that caches by URL.
 * Guards run before interceptors, so this one can watch what is sent. A read is then done for its own user; any other
 * request is refused.
 */
// S69
@Injectable()
export class OwnResponseGuard implements CanActivate {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly moduleRef: ModuleRef,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const request = http.getRequest<{ method: string }>();
    const response = http.getResponse<SendingResponse>();
    const send = response.send.bind(response);
    let isReplaced = false;
    response.send = (body) => {
      if (wasHandled(request) || response.statusCode >= 400) return send(body);
      // Fastify sends once more when the route has returned.
      if (!isReplaced) void this.replace(context, request);
      isReplaced = true;
      return response;
    };
    return true;
  }

  private async replace(context: ExecutionContext, request: { method: string }): Promise<void> {
    const response: unknown = context.switchToHttp().getResponse();
    const { httpAdapter } = this.adapterHost;
    try {
      httpAdapter.reply(response, await this.run(context, request), 200);
    } catch (error) {
      if (error instanceof MfaException) httpAdapter.reply(response, error.getResponse(), error.getStatus());
      else new BaseExceptionFilter(httpAdapter).catch(error, context);
    }
  }

  private async run(context: ExecutionContext, request: { method: string }): Promise<unknown> {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      this.logger.error(
        'An interceptor of the application sent a response in place of a route of nestjs-mfa. Exclude these routes from it',
      );
      throw new MfaException('MFA_MISCONFIGURED');
    }
    const controller: object = this.moduleRef.get(context.getClass() as Type<object>, { strict: false });
    return context.getHandler().call(controller, request) as unknown;
  }
}

/** Returns Nest's 404, as for an unknown route, where the host cannot complete a step-up. */
@Injectable()
export class StepUpEnabledGuard implements CanActivate {
  constructor(
    private readonly host: MfaHostAccess,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.host.instance.completeStepUp) return true;
    throw notFound(context, this.adapterHost);
  }
}

/** Returns Nest's 404, as for an unknown route, without the option of this name. */
function enabledGuard(option: 'passkeys' | 'trustedDevices'): Type<CanActivate> {
  @Injectable()
  class EnabledGuard implements CanActivate {
    constructor(
      private readonly adapterHost: HttpAdapterHost,
      @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
    ) {}

    canActivate(context: ExecutionContext): boolean {
      if (this.options[option]) return true;
      throw notFound(context, this.adapterHost);
    }
  }
  return EnabledGuard;
}

export const PasskeysEnabledGuard = enabledGuard('passkeys');
export const DevicesEnabledGuard = enabledGuard('trustedDevices');

function notFound(context: ExecutionContext, { httpAdapter }: HttpAdapterHost): NotFoundException {
  const request: unknown = context.switchToHttp().getRequest();
  return new NotFoundException(`Cannot ${httpAdapter.getRequestMethod(request)} ${httpAdapter.getRequestUrl(request)}`);
}
