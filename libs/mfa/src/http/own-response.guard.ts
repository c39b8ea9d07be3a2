import { Injectable, Logger, type CanActivate, type ExecutionContext, type Type } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import { wasHandled } from './request-reader.js';

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
