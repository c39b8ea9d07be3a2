import { Inject, Injectable, Logger, Scope, type ExecutionContext, type OnModuleInit, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { knownPrincipal, type KnownPrincipal } from './known-principal.js';
import { MfaHost } from './mfa-host.js';

const misconfigured = (message: string) => new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

/**
 * The way to the host's adapter. Looked up when used and injected nowhere, so that the natural circle
 * (the host's login calls the challenge service, the host adapter calls the login) boots.
 */
@Injectable()
@ThrowsMfaException()
export class MfaHostAccess implements OnModuleInit {
  private readonly logger = new Logger('nestjs-mfa');
  private readonly thrown = new WeakSet<object>();
  private readonly principals = new WeakMap<object, Promise<KnownPrincipal | null>>();

  constructor(
    private readonly moduleRef: ModuleRef,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  get instance(): MfaHost {
    return this.moduleRef.get(MfaHost);
  }

  /** What the first enrollment demands. */
  get enrollmentProof(): 'password' | 'recent-sign-in' | 'session-only' {
    return this.options.enrollment ?? 'password';
  }

  onModuleInit(): void {
    if (this.moduleRef.introspect(MfaHost as Type<MfaHost>).scope !== Scope.DEFAULT) {
      throw misconfigured(
        'option `host`: the MfaHost class is request-scoped or injects something that is; it must be a singleton. Read the request from the context that each method receives',
      );
    }
    const host = this.instance;
    for (const method of ['principal', 'completeLogin'] as const) {
      if (typeof host[method] !== 'function')
        throw misconfigured(`option \`host\`: the class has no method \`${method}\``);
    }
    this.checkProof(host);
    if (!host.completeStepUp) {
      this.logger.warn(
        'MfaHost has no `completeStepUp`, so POST step-up returns 404 and @RequireMfa({ maxAgeSeconds }) can only be satisfied by a new login',
      );
    }
  }

  private checkProof(host: MfaHost): void {
    const hasPassword = typeof host.verifyPassword === 'function';
    if (!hasPassword && this.options.enrollment === undefined) {
      throw misconfigured(
        "the first enrollment needs a proof besides the session: implement `verifyPassword` on the MfaHost, or set option `enrollment.proof` to 'recent-sign-in' (and give `authenticatedAt` in `principal`) or to 'session-only'",
      );
    }
    if (!hasPassword && this.options.enrollment === 'password') {
      throw misconfigured("option `enrollment.proof` is 'password', but the MfaHost has no `verifyPassword`");
    }
    if (!hasPassword && this.options.disableWithPassword) {
      throw misconfigured('option `enrollment.disableWithPassword` needs `verifyPassword` on the MfaHost');
    }
  }

  /** Who is signed in on this request, or `null`; asked once a request. */
  principal(context: ExecutionContext): Promise<KnownPrincipal | null> {
    const request: unknown = context.getType() === 'http' ? context.switchToHttp().getRequest() : undefined;
    if (typeof request !== 'object' || request === null) return this.ask(context);
    const known = this.principals.get(request) ?? this.ask(context);
    this.principals.set(request, known);
    return known;
  }

  /** Calls the host; what it throws is remembered as its own answer. */
  async call<T>(work: (host: MfaHost) => T): Promise<Awaited<T>> {
    try {
      return await work(this.instance);
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.thrown.add(error);
      throw error;
    }
  }

  /** Whether the host itself threw this: then it is the answer as it stands. */
  threw(error: object): boolean {
    return this.thrown.has(error);
  }

  private async ask(context: ExecutionContext): Promise<KnownPrincipal | null> {
    const principal = await this.call((host) => host.principal(context));
    if (principal === null || principal === undefined) return null;
    const known = knownPrincipal(principal);
    if (known === null) {
      this.logger.error(
        'MfaHost.principal gave a user id that is empty, longer than 255 characters, or has outer white space; the request counts as not signed in',
      );
    }
    return known;
  }
}
