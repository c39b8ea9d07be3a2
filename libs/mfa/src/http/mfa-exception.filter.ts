import { Catch, Injectable, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { MfaError } from '../domain/mfa-error.js';
import { MfaException, toMfaException } from '../errors/mfa.exception.js';

/** Writes an error of this library with its headers, wherever in the application it was thrown. */
@Catch(MfaException, MfaError)
@Injectable()
export class MfaExceptionFilter implements ExceptionFilter<MfaException | MfaError> {
  constructor(protected readonly adapterHost: HttpAdapterHost) {}

  catch(thrown: MfaException | MfaError, host: ArgumentsHost): unknown {
    const exception = toMfaException(thrown) as MfaException;
    // Other transports have their own shape of an error.
    if (host.getType() !== 'http') return exception;
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    for (const [name, value] of Object.entries(exception.headers)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, exception.getResponse(), exception.getStatus());
    return undefined;
  }
}
