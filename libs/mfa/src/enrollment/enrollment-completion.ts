import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ChallengeCookie } from '../challenge/challenge-cookie.js';
import { MfaClock } from '../domain/clock.js';
import { amrAfterProof } from '../domain/verification/proof.js';
import { MfaEvents, type PreparedEvent } from '../events/mfa-events.js';
import { tidyUp } from '../events/tidy-up.js';
import type { MfaEventAuthenticator } from '../host/mfa-event.js';
import { LoginCompletion } from '../verification/login-completion.js';
import { provedAt } from '../verification/proof-verifier.js';
import type { Enroller } from './enrollers.js';
import type { MfaConfirmation, MfaEnrolledLogin } from './enrollment-results.js';

/** A factor that counts now. */
export interface EnrolledFactor {
  authenticator: MfaEventAuthenticator;
  /** The event, which the change has stored. */
  event: PreparedEvent;
  /** What `amr` of the session gains by its first proof. */
  amr: readonly string[];
  /** Of the account after the commit. */
  securityStamp: number;
  /** The new backup codes. `null` = a set existed. */
  codes: string[] | null;
  /** Number of unused backup codes. */
  remaining: number;
  /** What is left to do once the change was delivered. */
  tidyUp: readonly (() => Promise<unknown>)[];
}

/**
 * Ends an enrollment after its commit: delivers the change, removes old rows, clears the cookie of the token, and opens the
 * session of a login.
 */
@Injectable()
export class EnrollmentCompletion {
  constructor(
    private readonly events: MfaEvents,
    private readonly login: LoginCompletion,
    private readonly cookie: ChallengeCookie,
    private readonly clock: MfaClock,
  ) {}

  /** Throws nothing, so that the backup codes are shown. */
  // S39
  async complete(
    enroller: Enroller,
    enrolled: EnrolledFactor,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    const { principal, login } = enroller;
    const { userId, sessionId } = principal;
    const { authenticator, amr, securityStamp, codes, remaining } = enrolled;
    await this.events.changed(enrolled.event, { enabled: true, sessionId, context });
    await tidyUp(...enrolled.tidyUp);
    const shown = { enabled: true, ...(codes ? { backupCodes: codes } : {}) } as const;
    const stepUp = {
      userId,
      amr: amrAfterProof(principal.amr, amr),
      mfaAt: new Date(this.clock.nowMs()),
      factor: authenticator.type,
      backupCodesRemaining: remaining,
    };
    if (!login) return { ...shown, stepUp: provedAt(securityStamp, stepUp) };
    const { reason, state } = login;
    this.events.emit({ type: 'mfa.enrollment.completed', userId, authenticator, reason }, context);
    // The token is spent by now, whatever the host does next.
    if (context) this.cookie.endSent(context);
    const opened = { ...stepUp, ...(state === undefined ? {} : { state }), enrollmentDueAt: null };
    // Callers give the context with a token.
    const response = await this.login.completeEnrolled(opened, securityStamp, context!);
    return { ...shown, ...(response === undefined ? {} : { login: response }) };
  }
}
