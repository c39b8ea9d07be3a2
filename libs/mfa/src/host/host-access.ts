import { Injectable, Logger, Scope, type ExecutionContext, type OnModuleInit, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { knownPrincipal, type KnownPrincipal } from './known-principal.js';
import { MfaHost, type MfaLogin } from './mfa-host.js';
import { PerRequest } from './per-request.js';
import { resultOf } from './result-of.js';

const misconfigured = (message: string) => new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

const UNUSABLE = {
  mfaAt: 'Give a Date, or ISO 8601 text with a time zone. It counts as no second factor',
  authenticatedAt: 'Give a Date, or ISO 8601 text with a time zone. It counts as left out',
  sessionId: 'Give a non-empty string. It counts as left out',
  amr: 'Give a list of strings. Nothing else counts, and without `mfa` in it there was no second factor',
};

/**
 * Calls the host's adapter. It looks the adapter up at each use, so that the natural circle boots: the host's login
 * calls the challenge service, and the host's adapter calls the login.
 */
@Injectable()
@ThrowsMfaException()
export class MfaHostAccess implements OnModuleInit {
  private readonly logger = new Logger('nestjs-mfa');
  private readonly thrown = new WeakSet<object>();
  private readonly principals = new PerRequest<Promise<KnownPrincipal | null>>();
  private readonly warned = new Set<string>();

  constructor(private readonly moduleRef: ModuleRef) {}

  get instance(): MfaHost {
    return this.moduleRef.get(MfaHost);
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
    if (!host.revokeSessions) {
      this.logger.warn(
        'MfaHost has no `revokeSessions`, so a change of factors ends no session, and a session keeps its `mfaAt` after MFA is disabled',
      );
    }
    if (!host.completeStepUp) {
      this.logger.warn(
        'MfaHost has no `completeStepUp`, so POST step-up returns 404 and @RequireMfa({ maxAgeSeconds }) can only be satisfied by a new login',
      );
    }
  }

  /** The signed-in user of this request, or `null`. The host is called once per request. */
  principal(context: ExecutionContext): Promise<KnownPrincipal | null> {
    return this.principals.of(context, () => this.ask(context));
  }

  /** What the host returns for a login; `null` or `undefined` = the user is missing or blocked. */
  async completeLogin(login: MfaLogin, context: ExecutionContext): Promise<unknown> {
    const response: unknown = await this.call((host) => host.completeLogin(login, context));
    if (response === undefined && !this.warned.has('completeLogin')) {
      this.warned.add('completeLogin');
      this.logger.warn(
        'MfaHost.completeLogin returned undefined, which refuses the login as `null` does. Return the response, for example {}',
      );
    }
    return response;
  }

  /** Calls the host; what it throws is remembered as the host's own response. */
  async call<T>(work: (host: MfaHost) => T): Promise<Awaited<T>> {
    try {
      return await resultOf(work(this.instance));
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.thrown.add(error);
      throw error;
    }
  }

  /** Whether the host itself threw this: then it is the response as it stands. */
  threw(error: object): boolean {
    return this.thrown.has(error);
  }

  private async ask(context: ExecutionContext): Promise<KnownPrincipal | null> {
    const principal = await this.call((host) => host.principal(context));
    if (principal === null || principal === undefined) return null;
    const known = knownPrincipal(principal, (property) => this.warnOf(property));
    if (known === null) {
      this.logger.error(
        'MfaHost.principal gave a user id that is empty, longer than 255 characters, or has outer white space; the request counts as not signed in',
      );
    }
    return known;
  }

  /** Once per property: the same mistake comes with every request. */
  private warnOf(property: keyof typeof UNUSABLE): void {
    if (this.warned.has(property)) return;
    this.warned.add(property);
    this.logger.warn(`MfaHost.principal returned an unusable \`${property}\`. ${UNUSABLE[property]}`);
  }
}
