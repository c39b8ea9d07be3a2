import { Catch, Injectable, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { throwError, type Observable } from 'rxjs';
import { MfaError } from '../domain/mfa-error.js';
import { MfaException, toMfaException } from '../errors/mfa.exception.js';
import { bodyOf, graphqlErrorOf, type MfaErrorBody } from '../errors/transport-error.js';

/**
 * Exception filter that sends an `MfaException` to the caller with its code, on every transport. The built-in routes use
 * it. Add it to your own handlers that call the services.
 *
 * HTTP: body and headers (`Retry-After`, `WWW-Authenticate`). RPC: an Observable that fails with the body. WebSocket:
 * the event `exception` with the body. GraphQL: an error with the body in `extensions`. On any other transport it throws.
 * @example
 * ```ts
 * \@Controller()
 * \@UseFilters(MfaExceptionFilter)
 * class PaymentsController {}
 * ```
 */
@Catch(MfaException, MfaError)
@Injectable()
export class MfaExceptionFilter implements ExceptionFilter<MfaException> {
  constructor(protected readonly adapterHost: HttpAdapterHost) {}

  /**
   * Sends the exception. It never returns it, because on some transports a returned value is a success.
   * @throws the exception, on a transport without another way to refuse
   */
  catch(thrown: MfaException, host: ArgumentsHost): Observable<never> | void {
    const exception = toMfaException(thrown) as MfaException;
    const type = host.getType<string>();
    if (type === 'rpc') return throwError(() => bodyOf(exception));
    if (type === 'ws') return emitTo(host.switchToWs().getClient<WsClient>(), bodyOf(exception));
    if (type === 'graphql') throw graphqlErrorOf(exception);
    // A context of ExternalContextCreator has the type `http` unless its creator gives another one.
    if (type !== 'http' || !isResponse(host.switchToHttp().getResponse())) throw exception;
    return this.reply(exception, host);
  }

  private reply(exception: MfaException, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    if (!httpAdapter.isHeadersSent(response)) {
      for (const [name, value] of Object.entries(exception.headers)) httpAdapter.setHeader(response, name, value);
    }
    new BaseExceptionFilter(httpAdapter).catch(exception, host);
  }
}

interface WsClient {
  readyState?: unknown;
  send?(text: string): void;
  emit?(event: string, body: object): void;
}

/** As Nest's own filter sends it: a native WebSocket has a number as `readyState`, and its `emit` is local. */
function emitTo(client: WsClient, body: MfaErrorBody): void {
  if (typeof client.readyState === 'number') client.send?.(JSON.stringify({ event: 'exception', data: body }));
  else client.emit?.('exception', body);
}

/** Express has `setHeader`, Fastify `header`. */
function isResponse(response: unknown): boolean {
  if (typeof response !== 'object' || response === null) return false;
  const { setHeader, header } = response as Record<string, unknown>;
  return typeof setHeader === 'function' || typeof header === 'function';
}
