import { Injectable, UnsupportedMediaTypeException, type CanActivate, type ExecutionContext } from '@nestjs/common';

/** Refuses bodies that are not JSON: with the SameSite cookie, what keeps other sites' forms out. */
@Injectable()
export class JsonOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
    if (hasBody && mediaType !== 'application/json') throw new UnsupportedMediaTypeException('Send application/json');
    return true;
  }
}
