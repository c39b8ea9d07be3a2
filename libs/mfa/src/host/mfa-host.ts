import type { ExecutionContext } from '@nestjs/common';
import type { MfaChange, MfaEvent } from '../events/mfa-event.js';

/** A way to pass the second factor. */
export type MfaMethod = 'totp' | 'backup_code';

/** The host's signed-in user as the module sees it. */
export interface MfaPrincipal {
  /** The host's id of the user; becomes a string at the door. */
  userId: string | number;
  /** What authenticator apps show beside the issuer, as the e-mail address. */
  accountName: string;
  /** When this session last passed a second factor; absent = never. */
  mfaAt?: Date;
  /** Authentication methods of this session (RFC 8176). */
  amr?: string[];
  /** When this session's first factor was given. */
  authenticatedAt?: Date;
}

/** A second factor that was passed. */
export interface CompletedStepUp {
  userId: string;
  /** RFC 8176 values, to be stored with the session: after TOTP they hold `otp` and `mfa`, after a backup code `mfa`. */
  amr: string[];
  /** When the factor was passed, to be stored with the session. */
  mfaAt: Date;
  factor: MfaMethod;
  backupCodesRemaining: number;
}

/** A login whose second factor was passed. Its first factor is known to the host alone, so `amr` does not hold it. */
export type CompletedMfaLogin = CompletedStepUp;

/**
 * The one port that the host implements. An instance is shared: it must not be request-scoped.
 * What a method throws is the answer to the request.
 */
export abstract class MfaHost {
  /**
   * Who is signed in on this request, or `null`. Authenticate here: read the session or token yourself and do not
   * rely on `request.user`, for guards may run before yours.
   */
  abstract principal(context: ExecutionContext): MfaPrincipal | null | Promise<MfaPrincipal | null>;

  /** Issues the host's own session or tokens; what it returns is the answer of `POST /mfa/verify`. */
  abstract completeLogin(login: CompletedMfaLogin, context: ExecutionContext): unknown;

  /** Stores `amr` and `mfaAt` in the session, or makes a new token; what it returns is `session` in the answer. */
  completeStepUp?(stepUp: CompletedStepUp, context: ExecutionContext): unknown;

  /** Whether `password` is this user's, for the first enrollment. Attempts are counted by the module. */
  verifyPassword?(principal: MfaPrincipal, password: string, context?: ExecutionContext): boolean | Promise<boolean>;

  /**
   * Called after every change of the user's factors: end the sessions that must not outlive it (S60; ASVS 7.4.3).
   * `context` is the request that made the change, whose own session may stay; an administrator's change has none.
   */
  revokeSessions?(userId: string, context: ExecutionContext | undefined, change: MfaChange): void | Promise<void>;

  /** Told of every outcome (S65). Not waited for; what it throws is logged. */
  notify?(event: MfaEvent): void | Promise<void>;
}
