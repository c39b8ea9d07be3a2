import type { ExecutionContext } from '@nestjs/common';
import type { MfaCookieResponse } from '../host/cookies.js';

/** The request and the response in which the cookie of a trusted browser is read and set. */
export interface DeviceExchange {
  /** The `Cookie` header. */
  cookies: unknown;
  userAgent: string;
  /** `null` = none on which a cookie can be set. */
  response: MfaCookieResponse | null;
}

/** The shape of a request, as far as it is read here. */
interface AnyRequest {
  headers?: Record<string, unknown> | null;
  res?: unknown;
}

/** Whether the headers were sent: of Express and Node.js, and of Fastify. */
interface SentResponse {
  headersSent?: unknown;
  sent?: unknown;
}

/** The exchange of a request and a response as the application has them. Anything else counts as none. */
export function exchangeOf(request: unknown, response: unknown): DeviceExchange {
  const headers = isObject(request) ? (request as AnyRequest).headers : undefined;
  const agent = headers?.['user-agent'];
  return {
    cookies: headers?.cookie,
    userAgent: typeof agent === 'string' ? agent : '',
    response: isResponse(response) ? response : null,
  };
}

/** The exchange of an HTTP request, or of a GraphQL one whose context has `req`, and `res` or `reply`. */
export function exchangeOfContext(context: ExecutionContext | undefined): DeviceExchange {
  const type = context?.getType<string>();
  if (type === 'http') {
    const http = context!.switchToHttp();
    return exchangeOf(http.getRequest(), http.getResponse());
  }
  const graphql = type === 'graphql' ? context!.getArgByIndex<unknown>(2) : undefined;
  if (!isObject(graphql)) return exchangeOf(undefined, undefined);
  const { req, request, res, reply } = graphql as Record<'req' | 'request' | 'res' | 'reply', unknown>;
  // The request of Node.js. GraphQL Yoga adds one of the Fetch API.
  const sent = req ?? request;
  return exchangeOf(sent, res ?? reply ?? (sent as AnyRequest | undefined)?.res);
}

/** Whether the headers of a response were sent. */
export function isSent(response: object): boolean {
  const { headersSent, sent } = response as SentResponse;
  return headersSent === true || sent === true;
}

function isResponse(value: unknown): value is MfaCookieResponse {
  if (!isObject(value)) return false;
  const { getHeader, setHeader, header } = value as Partial<MfaCookieResponse>;
  if (isSent(value)) return false;
  return typeof getHeader === 'function' && (typeof setHeader === 'function' || typeof header === 'function');
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
