import {
  Inject,
  Injectable,
  Logger,
  Optional,
  Scope,
  type ExecutionContext,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { errorName, MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { knownPrincipal, type KnownPrincipal } from './known-principal.js';
import { MfaHost, type MfaLogin } from './mfa-host.js';
import type { MfaPolicy } from './mfa-policy.js';
import { PerRequest } from './per-request.js';

const INFO = ['requestId', 'ip', 'userAgent'] as const;
/** A client chooses its headers, and each event is stored with them. In UTF-16 code units. */
const LONGEST_INFO = 255;

/** Injection token of the option `policy`; `null` without it. */
export const MFA_POLICY_OPTION = Symbol.for('nestjs-mfa:policy-option');

const misconfigured = (message: string) => new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

const UNUSABLE = {
  mfaAt: 'Return a Date, or ISO 8601 text with a time zone. Until then the session counts as without a second factor',
  authenticatedAt: 'Return a Date, or ISO 8601 text with a time zone. Until then the property is ignored',
  sessionId: 'Return a non-empty string. Until then the property is ignored',
  amr: 'Return a list of strings. Other values are ignored, and a list without `mfa` means that no second factor was passed',
};

/**
 * Calls the host's adapter. It resolves the adapter after injection, because the dependencies are circular: the host's login
 * calls the challenge service, and the host's adapter calls the login.
 */
@Injectable()
@ThrowsMfaException()
export class MfaHostAccess implements OnModuleInit {
  private readonly logger = new Logger('nestjs-mfa');
  private readonly principals = new PerRequest<Promise<KnownPrincipal | null>>();
  private readonly warned = new Set<string>();
  /** Set when the module is initialized. Before that, Nest may still replace the instance. */
  private host: MfaHost | null = null;

  constructor(
    private readonly moduleRef: ModuleRef,
    @Optional() @Inject(MFA_POLICY_OPTION) private readonly policyOption: MfaPolicy | null = null,
  ) {}

  /** Whether the application has a policy, by option or by hook. */
  get hasPolicy(): boolean {
    return this.policyOption !== null || typeof this.instance.policy === 'function';
  }

  get instance(): MfaHost {
    return this.host ?? this.moduleRef.get(MfaHost);
  }

  onModuleInit(): void {
    if (this.moduleRef.introspect(MfaHost as Type<MfaHost>).scope !== Scope.DEFAULT) {
      throw misconfigured(
        'option `host`: the MfaHost class must be a singleton, but it is request-scoped or injects a request-scoped provider. Read the request from the context that each method receives',
      );
    }
    const host = this.instance;
    this.host = host;
    for (const method of ['principal', 'completeLogin'] as const) {
      if (typeof host[method] !== 'function')
        throw misconfigured(`option \`host\`: the class has no method \`${method}\``);
    }
    if (!host.revokeSessions) {
      this.logger.warn(
        'MfaHost has no `revokeSessions`. A change of factors ends no session, and a session keeps its `mfaAt` after MFA is disabled',
      );
    }
    if (!host.completeStepUp) {
      this.logger.warn(
        'MfaHost has no `completeStepUp`. POST step-up returns 404, and only a new login satisfies @RequireMfa({ maxAgeSeconds })',
      );
    }
  }

  /** The signed-in user of this request. `null` = not signed in. The host is called once per request. */
  principal(context: ExecutionContext): Promise<KnownPrincipal | null> {
    return this.principals.of(context, () => this.ask(context));
  }

  /** Calls the host's `completeLogin` and returns its result. `null` or `undefined` = the user is missing or blocked. */
  async completeLogin(login: MfaLogin, context: ExecutionContext): Promise<unknown> {
    const response: unknown = await this.call((host) => host.completeLogin(login, context));
    if (response === undefined && !this.warned.has('completeLogin')) {
      this.warned.add('completeLogin');
      this.logger.warn(
        'MfaHost.completeLogin returned undefined. Like `null`, that refuses the login. Return the response, for example {}',
      );
    }
    return response;
  }

  /**
   * Calls the host, and resolves what it returned as Nest resolves the result of a handler: a value, a promise, or the
   * last value of an Observable. An Observable is subscribed to, because `ClientProxy.send` sends only on subscription.
   */
  async call<T>(work: (host: MfaHost) => T): Promise<Awaited<T>> {
    const result = await work(this.instance);
    if (!isObservable(result)) return result;
    return (await lastValueFrom(result, { defaultValue: undefined })) as Awaited<T>;
  }

  /** What the host knows about the request of an event, each text cut to 255 characters. Never throws. */
  requestInfo(context: ExecutionContext | undefined): Partial<Record<(typeof INFO)[number], string>> {
    if (!context) return {};
    try {
      const info = this.instance.requestInfo?.(context) ?? {};
      if (info instanceof Promise) {
        // The result is not awaited, so an unhandled rejection would end the process.
        info.catch(() => undefined);
        throw new TypeError('a promise');
      }
      const texts = INFO.map((name) => [name, info[name]] as const);
      return Object.fromEntries(texts.flatMap(([name, text]) => (typeof text === 'string' ? [[name, cut(text)]] : [])));
    } catch (error) {
      this.logger.error(`MfaHost.requestInfo threw, or returned a promise: ${errorName(error)}`);
      return {};
    }
  }

  private async ask(context: ExecutionContext): Promise<KnownPrincipal | null> {
    const principal = await this.call((host) => host.principal(context));
    if (principal === null || principal === undefined) return null;
    const known = knownPrincipal(principal, (property) => this.warnOf(property));
    if (known === null) {
      this.logger.error(
        'MfaHost.principal returned a user id that is empty, longer than 255 characters, or has outer white space. The request counts as not signed in',
      );
    }
    return known;
  }

  /** Warns once per property, because every request repeats the same mistake. */
  private warnOf(property: keyof typeof UNUSABLE): void {
    if (this.warned.has(property)) return;
    this.warned.add(property);
    this.logger.warn(`MfaHost.principal returned an unusable \`${property}\`. ${UNUSABLE[property]}`);
  }
}

/** The beginning of a text, as well-formed Unicode. Half of a surrogate pair at the end is left out. */
function cut(text: string): string {
  return text
    .slice(0, LONGEST_INFO)
    .replace(/[\uD800-\uDBFF]$/, '')
    .toWellFormed();
}

/** The `Cookie` header of an HTTP request; `undefined` without one, and for every other transport. */
export function cookiesOf(context: ExecutionContext | undefined): unknown {
  if (context?.getType() !== 'http') return undefined;
  return context.switchToHttp().getRequest<{ headers?: Record<string, unknown> } | null | undefined>()?.headers?.cookie;
}
