import { MfaException } from './mfa.exception.js';

/** What a caller outside HTTP gets of an exception. */
export interface MfaErrorBody {
  statusCode: number;
  code: string;
  message: string | string[];
  error: string;
}

/** The body of the contract. */
export const bodyOf = (exception: MfaException): MfaErrorBody => exception.getResponse() as MfaErrorBody;

/**
 * An {@link MfaException} whose `response` is hidden. The Apollo driver of Nest replaces `extensions.code` of every
 * exception that has one by a code of its own, such as `UNAUTHENTICATED`.
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
 * The error that reaches the caller of a transport with its code: `RpcException`, `WsException`, an error with
 * `extensions` for GraphQL, else the exception itself. The packages are loaded where a context of theirs exists, so
 * the host has them.
 * @param type `context.getType()`
 */
export async function transportErrorOf(exception: MfaException, type: string): Promise<Error> {
  try {
    if (type === 'rpc') return new (await import('@nestjs/microservices')).RpcException(bodyOf(exception));
    if (type === 'ws') return new (await import('@nestjs/websockets')).WsException(bodyOf(exception));
  } catch {
    return exception; // a strategy of the host without that package; the exception refuses all the same
  }
  return type === 'graphql' ? graphqlErrorOf(exception) : exception;
}

/** The error with the code in `extensions`, which every GraphQL driver passes on. */
export function graphqlErrorOf(exception: MfaException): Error {
  return new MfaGraphqlException(exception);
}
