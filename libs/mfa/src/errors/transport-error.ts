import { MfaException } from './mfa.exception.js';

/** The error that a caller outside HTTP receives. */
export interface MfaErrorBody {
  statusCode: number;
  code: string;
  message: string | string[];
  error: string;
}

/** The response body of an exception. */
export const bodyOf = (exception: MfaException): MfaErrorBody => exception.getResponse() as MfaErrorBody;

/**
 * An {@link MfaException} without a visible `response`. The Apollo driver of Nest replaces `extensions.code` of every
 * exception that has a `response`, for example by `UNAUTHENTICATED`.
 */
class MfaGraphqlException extends MfaException {
  private readonly body: MfaErrorBody;

  constructor(exception: MfaException) {
    super(exception.code, exception.details);
    this.name = exception.name;
    this.body = bodyOf(exception);
    Object.defineProperty(this, 'response', { value: undefined });
  }

  override getResponse(): MfaErrorBody {
    return this.body;
  }
}

/**
 * The error to throw on a transport, so that its caller receives the code: `RpcException`, `WsException`, or an error
 * with `extensions` for GraphQL. On any other transport it is the exception itself. The packages are imported only for
 * a context of their type, so the host has installed them.
 * @param type the result of `context.getType()`
 */
export async function transportErrorOf(exception: MfaException, type: string): Promise<Error> {
  try {
    if (type === 'rpc') return new (await import('@nestjs/microservices')).RpcException(bodyOf(exception));
    if (type === 'ws') return new (await import('@nestjs/websockets')).WsException(bodyOf(exception));
  } catch {
    return exception; // The host has a custom transport without that package. The exception still denies.
  }
  return type === 'graphql' ? graphqlErrorOf(exception) : exception;
}

/** The error with its code in `extensions`, which every GraphQL driver sends to the client. */
export function graphqlErrorOf(exception: MfaException): Error {
  return new MfaGraphqlException(exception);
}
