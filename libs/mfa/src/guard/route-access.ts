import { type AccountSnapshot, activeIdsOf, isEnabled } from '../domain/accounts/account.js';
import { Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost, type ModuleRef } from '@nestjs/core';
import { MfaChallengeService } from '../challenge/challenge.service.js';
import { ChallengeTokens, type MfaChallenge } from '../challenge/mfa-challenge.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaException, isMfaException, toMfaException } from '../errors/mfa.exception.js';
import { transportErrorOf } from '../errors/transport-error.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import { PerRequest } from '../host/per-request.js';
import { LoginPolicies } from '../policy/login-policies.js';
import type { MfaRoute } from './mfa-route.js';
import { passedSecondFactor } from './second-factor.js';
import { TokenExtractor } from './token-extractor.js';

type SecondFactorRoute = Extract<MfaRoute, { kind: 'second-factor' }>;

/** The challenge of each request. It is not a property of the request, so a client or the host cannot set it. */
const challenges = new WeakMap<object, { challenge: MfaChallenge; checked: boolean }>();

/** @param checked whether the token was checked in the database: neither spent nor revoked */
export function setChallenge(
  context: ExecutionContext,
  challenge: MfaChallenge,
  { checked }: { checked: boolean },
): void {
  const request = context.switchToHttp().getRequest<object>();
  challenges.set(request, { challenge, checked: checked || challenges.get(request)?.checked === true });
}

/** Whether a guard has checked the token of this request in the database. */
export function hasCheckedChallenge(context: ExecutionContext): boolean {
  return context.getType() === 'http' && challenges.get(context.switchToHttp().getRequest<object>())?.checked === true;
}

/**
 * Returns the challenge of the request.
 * @throws MfaException `MFA_TOKEN_INVALID` if no guard has read one
 */
export function challengeOf(context: ExecutionContext): MfaChallenge {
  const challenge = knownChallengeOf(context);
  if (!challenge) throw new MfaException('MFA_TOKEN_INVALID');
  return challenge;
}

/** The challenge of the request; `null` if no guard has read one. */
export function knownChallengeOf(context: ExecutionContext): MfaChallenge | null {
  return challenges.get(context.switchToHttp().getRequest<object>())?.challenge ?? null;
}

/** The token of each request to the module's own routes that take one as text. */
const tokens = new WeakMap<object, string>();

/** The token that a guard has read; `null` if the caller is a signed-in user. */
export function loginTokenOf(context: ExecutionContext): string | null {
  return tokens.get(context.switchToHttp().getRequest<object>()) ?? null;
}

/** The token that a guard has read. @throws MfaException `MFA_TOKEN_INVALID` if no guard has read one */
export function requireLoginToken(context: ExecutionContext): string {
  const token = loginTokenOf(context);
  if (token === null) throw new MfaException('MFA_TOKEN_INVALID');
  return token;
}

/** Decides whether a request is admitted. It returns `true` or throws; any error denies. */
// S45
@Injectable()
export class RouteAccess {
  private readonly accountsOf = new PerRequest<Promise<AccountSnapshot | null>>();

  constructor(
    private readonly host: MfaHostAccess,
    private readonly challenges: MfaChallengeService,
    private readonly tokens: ChallengeTokens,
    private readonly extractor: TokenExtractor,
    private readonly accounts: MfaAccountStore,
    private readonly policies: LoginPolicies,
    private readonly clock: MfaClock,
    private readonly adapterHost: HttpAdapterHost,
  ) {}

  async admit(context: ExecutionContext, route: MfaRoute): Promise<true> {
    try {
      return await this.decide(context, route);
    } catch (error) {
      throw await this.refusalOf(context, error);
    }
  }

  /** Returns the signed-in user. Refuses like {@link admit}. */
  async principal(context: ExecutionContext): Promise<KnownPrincipal> {
    try {
      return await this.requirePrincipal(context);
    } catch (error) {
      throw await this.refusalOf(context, error);
    }
  }

  /** The error to throw: the exception of the transport. An error of the host stays unchanged. */
  // S68
  private async refusalOf(context: ExecutionContext, error: unknown): Promise<unknown> {
    // S45: not every transport treats a thrown `undefined` as an error.
    const thrown = toMfaException(error) ?? new MfaException('MFA_MISCONFIGURED', { message: 'MfaHost threw nothing' });
    if (!isMfaException(thrown)) return thrown;
    this.writeHeaders(context, thrown);
    return transportErrorOf(thrown, context.getType<string>());
  }

  private async decide(context: ExecutionContext, route: MfaRoute): Promise<true> {
    if (route.kind === 'open') return true;
    if (route.kind === 'challenge') return this.admitChallenge(context);
    if (route.kind === 'verification') return this.admitVerification(context);
    if (route.kind === 'either') return this.admitEither(context);
    if (route.kind === 'login') return this.admitLogin(context);
    if (route.kind === 'enrollment') return this.admitEnrollment(context);
    const principal = await this.requirePrincipal(context);
    return route.kind === 'principal' || this.admitSecondFactor(context, principal, route);
  }

  private async requirePrincipal(context: ExecutionContext): Promise<KnownPrincipal> {
    const principal = await this.host.principal(context);
    if (!principal) throw new MfaException('MFA_NOT_AUTHENTICATED');
    return principal;
  }

  private async admitChallenge(context: ExecutionContext): Promise<true> {
    // The guard of the application and the guard of the route both run. One check per request is enough.
    if (hasCheckedChallenge(context)) return true;
    setChallenge(context, await this.challenges.check(this.tokenOf(context)), { checked: true });
    return true;
  }

  /** Without SQL: the statement that counts the attempt also checks whether the token is spent or revoked. */
  private admitVerification(context: ExecutionContext): true {
    setChallenge(context, this.tokens.read(this.tokenOf(context)), { checked: false });
    return true;
  }

  /**
   * A token that the client sent decides, valid or not. Then the signed-in user, then the cookie. `purpose: 'verify'` in
   * the body chooses the cookie. Without SQL, like {@link admitVerification}.
   */
  private async admitEither(context: ExecutionContext): Promise<true> {
    const sent = this.extractor.extractSent(context);
    const isLogin = purposeOf(context) === 'verify';
    const isPrincipal = sent === null && !isLogin && (await this.host.principal(context)) !== null;
    if (isPrincipal) return true;
    const token = sent ?? this.extractor.extractCookie(context);
    if (token === null) throw new MfaException(isLogin ? 'MFA_TOKEN_INVALID' : 'MFA_NOT_AUTHENTICATED');
    setChallenge(context, this.tokens.read(token), { checked: false });
    return true;
  }

  /** Without SQL, like {@link admitVerification}. */
  private admitLogin(context: ExecutionContext): true {
    const token = this.tokenOf(context);
    if (!this.tokens.isReadable(token)) throw new MfaException('MFA_TOKEN_INVALID');
    tokens.set(context.switchToHttp().getRequest<object>(), token);
    return true;
  }

  /**
   * A token that the client sent decides, valid or not. Then the signed-in user, then an enrollment token in the cookie.
   * `purpose: 'verify'` in the body chooses the cookie. Without SQL, like {@link admitVerification}.
   */
  // S100
  private async admitEnrollment(context: ExecutionContext): Promise<true> {
    const sent = this.extractor.extractSent(context);
    const isLogin = purposeOf(context) === 'verify';
    if (sent === null && !isLogin && (await this.host.principal(context)) !== null) return true;
    const token = sent ?? this.extractor.extractCookie(context);
    const isEnrollment = token !== null && this.tokens.isEnrollment(token);
    if (!isEnrollment) {
      throw new MfaException(sent === null && !isLogin ? 'MFA_NOT_AUTHENTICATED' : 'MFA_TOKEN_INVALID');
    }
    tokens.set(context.switchToHttp().getRequest<object>(), token);
    return true;
  }

  private tokenOf(context: ExecutionContext): string {
    const token = this.extractor.extract(context);
    // Without this line the token check would throw the same error.
    if (token === null) throw new MfaException('MFA_TOKEN_INVALID');
    return token;
  }

  /** Reads the database only if the session did not pass a second factor. */
  private async admitSecondFactor(
    context: ExecutionContext,
    principal: KnownPrincipal,
    { maxAgeSeconds, ifEnabled, phishingResistant }: SecondFactorRoute,
  ): Promise<true> {
    const required = { maxAgeSeconds, phishingResistant, nowMs: this.clock.nowMs() };
    if (passedSecondFactor(principal, required)) return true;
    const snapshot = await this.accountsOf.of(context, () => this.accounts.load(principal.userId));
    if (!isEnabled(snapshot) && ifEnabled && !(await this.mustEnroll(principal, snapshot, context))) return true;
    if (phishingResistant && !isEnrolledIn('passkey', snapshot)) {
      throw new MfaException('MFA_ENROLLMENT_REQUIRED', { methods: ['passkey'] });
    }
    if (!isEnabled(snapshot)) throw new MfaException('MFA_ENROLLMENT_REQUIRED');
    throw new MfaException('MFA_STEP_UP_REQUIRED', { maxAgeSeconds, ...(phishingResistant && { phishingResistant }) });
  }

  /** Whether a user without a factor must enroll one now: after a reset, or where the policy is enforced. */
  // S100
  private async mustEnroll(
    { userId }: KnownPrincipal,
    snapshot: AccountSnapshot | null,
    context: ExecutionContext,
  ): Promise<boolean> {
    if (snapshot !== null && snapshot.account.mustEnrollSinceMs !== null) return true;
    const enforcedFromMs = await this.policies.enforcedFrom(userId, await this.policies.of(userId, context));
    return enforcedFromMs !== null && this.clock.nowMs() >= enforcedFromMs;
  }

  /** Writes the headers here, because the filter of the library does not run on the host's own routes. */
  private writeHeaders(context: ExecutionContext, refusal: MfaException): void {
    if (context.getType() !== 'http') return;
    const response: unknown = context.switchToHttp().getResponse();
    try {
      for (const [name, value] of Object.entries(refusal.headers)) {
        this.adapterHost.httpAdapter?.setHeader(response, name, value);
      }
    } catch {
      // Headers were sent already, or a context of ExternalContextCreator has no response. The request is refused anyway.
    }
  }
}

function isEnrolledIn(type: string, snapshot: AccountSnapshot | null): boolean {
  return snapshot !== null && activeIdsOf(type, snapshot.account.activeFactors).length > 0;
}

/** The body of an HTTP request is not checked yet. */
function purposeOf(context: ExecutionContext): unknown {
  const { body } = context.switchToHttp().getRequest<{ body?: unknown }>();
  return typeof body === 'object' && body !== null ? (body as { purpose?: unknown }).purpose : undefined;
}

const NOT_IMPORTED =
  'MfaGuard: the application does not import MfaModule, so the guard denies. Import MfaModule.forRoot(...); in a unit test use overrideGuard(MfaGuard)';

/**
 * Returns the `RouteAccess` of the application. It is resolved when a request arrives, so a unit test of a guarded
 * controller needs no `MfaModule`.
 * @throws MfaException `MFA_MISCONFIGURED` without the module
 */
export async function findRouteAccess(moduleRef: ModuleRef, context: ExecutionContext): Promise<RouteAccess> {
  try {
    return moduleRef.get(RouteAccess, { strict: false });
  } catch (cause) {
    new Logger('nestjs-mfa').error(NOT_IMPORTED);
    const refusal = new MfaException('MFA_MISCONFIGURED', { message: NOT_IMPORTED, cause });
    throw await transportErrorOf(refusal, context.getType<string>());
  }
}
