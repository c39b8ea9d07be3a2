import { Injectable, type ExecutionContext } from '@nestjs/common';
// One small file of it: where class-validator is missing, the application does not start, rather than fail a first login.
import 'class-validator/cjs/container.js';
import { lazy } from '../domain/lazy.js';
import { MfaException } from '../errors/mfa.exception.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { BodyName, MfaBodies } from './dto/read-body.js';
import { openRequest } from './route-request.js';

/** Three hundred files come with class-validator, and no start needs them. */
const reader = lazy(() => import('./dto/read-body.js'));

/** The request as Express and Fastify give it: its fields are read as the guards of the route saw them. */
export type RouteRequest = object;

/**
 * What a built-in handler needs of its request. Handlers take `@Req()` alone, which Nest hands to no pipe: a global pipe
 * of the host can neither change nor refuse what they read, nor make a number a code before the check. What
 * an interceptor does to the body or the parameters of the request comes too late.
 */
// S69, S24
@Injectable()
export class RequestReader {
  constructor(private readonly host: MfaHostAccess) {}

  context(request: RouteRequest): ExecutionContext {
    return openRequest(request).context;
  }

  /** The context and the checked body of that name. */
  async read<N extends BodyName>(
    request: RouteRequest,
    name: N,
  ): Promise<{ context: ExecutionContext; body: MfaBodies[N] }> {
    const { context, body } = openRequest(request);
    const { readBody } = await reader();
    return { context, body: readBody(name, body) };
  }

  /** The signed-in user. @throws MfaException `MFA_NOT_AUTHENTICATED` */
  async principal(request: RouteRequest): Promise<KnownPrincipal> {
    const principal = await this.host.principal(this.context(request));
    if (!principal) throw new MfaException('MFA_NOT_AUTHENTICATED');
    return principal;
  }

  /** The signed-in user, the context and the checked body of that name. */
  async readAsPrincipal<N extends BodyName>(request: RouteRequest, name: N) {
    const principal = await this.principal(request);
    return { principal, ...(await this.read(request, name)) };
  }
}

/** The `:id` of the route. */
export function idOf(request: RouteRequest): string {
  return String((openRequest(request).params as { id: unknown }).id);
}
