import { Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { MfaError } from '../domain/mfa-error.js';
import { amrAfterProof } from '../domain/verification/proof.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { MfaStepUp } from '../host/mfa-host.js';
import { provedStamp } from './proof-verifier.js';
import { SupersededSessions } from './login-completion.js';

/** A session that passed the second factor. */
export interface RaisedSession {
  /** The new `amr` of the session. */
  amr: string[];
  /** What `MfaHost.completeStepUp` returned. */
  session: unknown;
}

/** Lets the host raise the session of a step-up, and ends the session where the factors changed meanwhile. */
@Injectable()
export class StepUpCompletion {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly host: MfaHostAccess,
    private readonly sessions: SupersededSessions,
  ) {}

  /**
   * Raises the session after a step-up. If the factors changed meanwhile, ends every session of the user: the raised one
   * would keep a second factor that the user no longer has.
   * @throws MfaError `MFA_CODE_REJECTED` when the factors changed meanwhile; `MFA_BUSY`; and what the host throws
   */
  // S72
  async complete(principal: KnownPrincipal, proved: MfaStepUp, context: ExecutionContext): Promise<RaisedSession> {
    const securityStamp = provedStamp(proved);
    let raised: RaisedSession;
    try {
      raised = await this.raise(principal, proved, context);
    } catch (error) {
      // The session may be raised by now. What the host threw is the response.
      await this.sessions.endIfSuperseded(proved.userId, securityStamp, context).catch(() => undefined);
      throw error;
    }
    if (await this.sessions.endIfSuperseded(proved.userId, securityStamp, context))
      throw new MfaError('MFA_CODE_REJECTED');
    return raised;
  }

  /**
   * Raises the session after a confirmation. Never throws, so that the backup codes are shown. If raising fails, the user
   * steps up later.
   * @returns what `MfaHost.completeStepUp` returned, where the session was raised
   */
  // S39
  async confirmed(principal: KnownPrincipal, proved: MfaStepUp, context: ExecutionContext): Promise<unknown> {
    const raised = await this.raise(principal, proved, context).catch(() => null);
    if (!raised) this.logger.error('MfaHost.completeStepUp failed after a confirmation; the session was not raised');
    const superseded = await this.sessions.endIfFoundSuperseded(proved.userId, provedStamp(proved), context);
    return superseded ? undefined : raised?.session;
  }

  private async raise(principal: KnownPrincipal, proved: MfaStepUp, context: ExecutionContext): Promise<RaisedSession> {
    const { sessionId } = principal;
    const amr = amrAfterProof(principal.amr, proved.amr);
    const stepUp = { ...proved, amr, ...(sessionId === undefined ? {} : { sessionId }) };
    const session: unknown = await this.host.call((host) => host.completeStepUp?.(stepUp, context));
    return { amr, session: session ?? undefined };
  }
}
