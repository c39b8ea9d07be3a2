import {
  Injectable,
  Logger,
  UnsupportedMediaTypeException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { MfaException } from '../errors/mfa.exception.js';
import { hasBody, type BodyHeaders } from './json-only.guard.js';

const REMEDY =
  'The body of a request to an MFA route was not parsed. The application was created with `bodyParser: false`, or its ' +
  'parser does not run for this path or leaves bytes. Remove `bodyParser: false`, or parse JSON on these routes, as ' +
  "`app.use('/mfa', express.json())` does";

/** RFC 9110 §8.3.1. Parsers leave a body whose media type is malformed unread, without an error (Express 4). */
const MEDIA_TYPE = /^[^;\s]+(?:\s*;\s*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"\\]*"))*\s*$/;

/**
 * Refuses a request whose body nobody parsed with 500, and logs the remedy once. Its fields would seem to be missing,
 * and every code and token would be refused. Runs after `JsonOnlyGuard`, so that the body is JSON.
 */
@Injectable()
export class ParsedBodyGuard implements CanActivate {
  private readonly logger = new Logger('nestjs-mfa');
  private logged = false;

  canActivate(context: ExecutionContext): boolean {
    const { method, headers, body } = context.switchToHttp().getRequest<BodyRequest>();
    // Fastify reads no body of a GET, and no parser reads one that is empty.
    const expected = (method === 'POST' || method === 'PATCH') && hasBody(headers);
    if (!expected || (body !== undefined && !(body instanceof Uint8Array))) return true;
    // The client's mistake, and not the application's.
    if (!MEDIA_TYPE.test(headers['content-type'] ?? '')) {
      throw new UnsupportedMediaTypeException('The content type is malformed');
    }
    if (!this.logged) this.logger.error(REMEDY);
    this.logged = true;
    throw new MfaException('MFA_MISCONFIGURED');
  }
}

interface BodyRequest {
  method: string;
  headers: BodyHeaders;
  body?: unknown;
}
