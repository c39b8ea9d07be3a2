import { Injectable, type ExecutionContext } from '@nestjs/common';
// One small file of it: where class-validator is missing, the application does not start, rather than fail a first login.
import 'class-validator/cjs/container.js';
import { MfaException } from '../errors/mfa.exception.js';
import type { MfaEnrollmentToken } from '../enrollment/enrollment-results.js';
import { loginTokenOf } from '../guard/route-access.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { BodyName, MfaBodies, readBody } from './dto/bodies.js';

/** A request to a built-in route, as it was when the guards of the route ran. */
interface SentRequest {
  context: ExecutionContext;
  body: unknown;
  params: unknown;
}

/** Each request to a built-in route. It is kept outside the request, where no pipe, interceptor or client reaches it. */
// S69
const requests = new WeakMap<object, SentRequest>();
/** Requests whose own handler ran. */
const handled = new WeakSet<object>();

/** Guards run before interceptors, one of which may redact the fields of a body for a log. */
export function rememberRequest(context: ExecutionContext): void {
  const request = context.switchToHttp().getRequest<{ body?: unknown; params?: unknown }>();
  requests.set(request, { context, body: copyOf(request.body), params: copyOf(request.params) });
}

/** The request as it was sent. Each handler calls it first, which marks the request as handled. */
export function openRequest(request: object): SentRequest {
  handled.add(request);
  return requests.get(request)!;
}

/** Whether the handler of this very request ran. */
export function wasHandled(request: object): boolean {
  return handled.has(request);
}

/** Levels of the deepest field that a route reads: body, `passkey`, `response`, `transports`. */
const LEVELS = 4;

/** Copies what a route may read. What is nested deeper is never read, and copying it could exhaust the stack. */
// S67
function copyOf(value: unknown, levels = LEVELS): unknown {
  if (levels === 0 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => copyOf(each, levels - 1));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyOf(each, levels - 1)]));
}

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
  /** Loaded by the first body: three hundred files come with class-validator, and no start needs them. */
  private readBody: typeof readBody | undefined;

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
    this.readBody ??= (await import('./dto/bodies.js')).readBody;
    return { context, body: this.readBody(name, body) };
  }

  /** The signed-in user. @throws MfaException `MFA_NOT_AUTHENTICATED` */
  async principal(request: RouteRequest): Promise<KnownPrincipal> {
    const principal = await this.host.principal(this.context(request));
    if (!principal) throw new MfaException('MFA_NOT_AUTHENTICATED');
    return principal;
  }

  /** Who enrolls: the token of a login, or the signed-in user. @throws MfaException `MFA_NOT_AUTHENTICATED` */
  async enroller(
    request: RouteRequest,
  ): Promise<{ caller: KnownPrincipal | MfaEnrollmentToken; context: ExecutionContext }> {
    const context = this.context(request);
    const mfa_token = loginTokenOf(context);
    return { caller: mfa_token === null ? await this.principal(request) : { mfa_token }, context };
  }

  /** The same, with the checked body of that name. */
  async readAsEnroller<N extends BodyName>(request: RouteRequest, name: N) {
    const { caller } = await this.enroller(request);
    return { caller, ...(await this.read(request, name)) };
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
