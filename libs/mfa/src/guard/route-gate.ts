import { Injectable, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ChallengeTokens } from '../challenge/challenge-tokens.js';
import { MfaChallengeService } from '../challenge/challenge.service.js';
import { MfaClock } from '../domain/clock.js';
import { MfaException, isMfaException, toMfaException } from '../errors/mfa.exception.js';
import { transportErrorOf } from '../errors/transport-error.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import { hasCheckedChallenge, setChallenge } from './current-challenge.js';
import type { MfaRoute } from './mfa-route.js';
import { TokenExtractor } from './token-extractor.js';

/** Clocks of several instances may differ by so much, in milliseconds. */
const SKEW_MS = 60_000;

/** Decides whether a request may pass. It admits or throws; nothing that fails on the way admits (S45). */
@Injectable()
export class RouteGate {
  constructor(
    private readonly host: MfaHostAccess,
    private readonly challenges: MfaChallengeService,
    private readonly tokens: ChallengeTokens,
    private readonly extractor: TokenExtractor,
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

  /** What is thrown: the exception of the transport (S68). What the host threw stays as it is. */
  private async refusalOf(context: ExecutionContext, error: unknown): Promise<unknown> {
    // Not every transport takes nothing for an error (S45).
    const thrown = toMfaException(error) ?? new MfaException('MFA_MISCONFIGURED', { message: 'MfaHost threw nothing' });
    if (!isMfaException(thrown)) return thrown;
    this.writeHeaders(context, thrown);
    return transportErrorOf(thrown, context.getType<string>());
  }

  private async decide(context: ExecutionContext, route: MfaRoute): Promise<true> {
    if (route.kind === 'open') return true;
    if (route.kind === 'challenge') return this.admitChallenge(context);
    if (route.kind === 'verification') return this.admitVerification(context);
    const principal = await this.host.principal(context);
    if (!principal) throw new MfaException('MFA_NOT_AUTHENTICATED');
    if (route.kind === 'principal') return true;
    return this.admitSecondFactor(principal, route.maxAgeSeconds);
  }

  private async admitChallenge(context: ExecutionContext): Promise<true> {
    // The application-wide guard and the route's own both ask; one check a request is enough.
    if (hasCheckedChallenge(context)) return true;
    setChallenge(context, await this.challenges.check(this.tokenOf(context)), { checked: true });
    return true;
  }

  /** No SQL: the state of the token is checked by the statement that counts the attempt. */
  private admitVerification(context: ExecutionContext): true {
    setChallenge(context, this.tokens.read(this.tokenOf(context)), { checked: false });
    return true;
  }

  private tokenOf(context: ExecutionContext): string {
    const token = this.extractor.extract(context);
    if (token === null) throw new MfaException('MFA_TOKEN_INVALID');
    return token;
  }

  private admitSecondFactor({ mfaAt, amr }: KnownPrincipal, maxAgeSeconds: number | undefined): true {
    const ageMs = mfaAt ? this.clock.nowMs() - mfaAt.getTime() : NaN;
    const passed = ageMs >= -SKEW_MS && (amr === undefined || (Array.isArray(amr) && amr.includes('mfa')));
    const fresh = maxAgeSeconds === undefined || ageMs <= maxAgeSeconds * 1000;
    if (passed && fresh) return true;
    throw new MfaException('MFA_STEP_UP_REQUIRED', { maxAgeSeconds });
  }

  /** No filter of the library runs on the host's own routes, so the guard writes the headers. */
  private writeHeaders(context: ExecutionContext, refusal: MfaException): void {
    if (context.getType() !== 'http') return;
    const response: unknown = context.switchToHttp().getResponse();
    try {
      for (const [name, value] of Object.entries(refusal.headers)) {
        this.adapterHost.httpAdapter?.setHeader(response, name, value);
      }
    } catch {
      // Headers were sent already, or a context of ExternalContextCreator has no response. The refusal stands.
    }
  }
}
