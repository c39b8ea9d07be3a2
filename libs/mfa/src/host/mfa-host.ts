import type { ExecutionContext } from '@nestjs/common';
import type { MfaChange, MfaEvent } from './mfa-event.js';

/** A way to pass the second factor. */
export type MfaMethod = 'totp' | 'backup_code' | 'passkey' | 'email' | 'sms' | (string & {});

/** What the first enrollment of a user needs besides a session. */
export type MfaEnrollmentProof = 'password' | 'recent-sign-in' | 'session-only';

/** The signed-in user of a request. A property that is `null` counts as left out. */
export interface MfaPrincipal {
  /** The host's id of the user. The module stores it as a string. */
  userId: string | number;
  /** The name under the issuer in authenticator apps, such as the e-mail address. A function is called at setup only. */
  accountName: string | (() => string | Promise<string>);
  /** Id of this session. It binds a pending setup to the session, so it must survive a token refresh. */
  sessionId?: string | null | undefined;
  /** Authentication methods of this session (RFC 8176). */
  amr?: readonly string[] | null | undefined;
  /** Issuer of new authenticators, for hosts with several brands. @default the option `issuer` */
  issuer?: string | null | undefined;
  /** When this session last passed a second factor: a `Date`, or ISO 8601 text with a time zone. Left out = never. */
  mfaAt?: Date | string | null | undefined;
  /** When the user gave the first factor of this session: a `Date`, or ISO 8601 text with a time zone. */
  authenticatedAt?: Date | string | null | undefined;
}

/** A login that may have a session: what `issue()` returns without a second step, and what `completeLogin` receives. */
export interface MfaLogin<S = unknown> {
  userId: string;
  /** RFC 8176 values for the session: those given to `issue()`, and those of the second factor. */
  amr: string[];
  /** When the second factor was passed, for the session; `null` = there was none. */
  mfaAt: Date | null;
  /** The second factor that was passed; `null` = there was none. */
  factor: MfaMethod | null;
  /** Unused backup codes; `null` = there was no second factor. */
  backupCodesRemaining: number | null;
  /** What was given to `issue()` as `state`. */
  state?: S;
  /** Until when the user may sign in without a second factor; `null` = no such date. */
  enrollmentDueAt: Date | null;
}

/** A signed-in user passed a second factor. */
export interface MfaStepUp {
  userId: string;
  /** `sessionId` of the principal. */
  sessionId?: string;
  /** RFC 8176 values for the session: those of the principal, and those of the factor (`otp` and `mfa` after TOTP, `mfa` after a backup code). */
  amr: string[];
  /** When the factor was passed, for the session. */
  mfaAt: Date;
  factor: MfaMethod;
  backupCodesRemaining: number;
}

/** What an event says about the request. Values other than strings are left out of the event. */
export interface MfaRequestInfo {
  requestId?: string | null | undefined;
  ip?: string | null | undefined;
  userAgent?: string | null | undefined;
}

/**
 * The one port that the host implements. An instance is shared: it must not be request-scoped.
 * What a method throws is the response to the request, unless the method says otherwise. A method may return an
 * Observable where its type allows it: its last value counts.
 */
export abstract class MfaHost {
  /**
   * Returns the signed-in user of this request, or `null`. Authenticate here: read the session or token yourself.
   * `request.user` may not be set yet, because guards may run before yours. Called once per request, so the result must
   * not depend on the handler of the context.
   */
  abstract principal(context: ExecutionContext): MfaPrincipal | null | Promise<MfaPrincipal | null>;

  /**
   * Makes the host's own session or tokens; what it returns is the response of `POST /mfa/verify`. Load the user again:
   * the user may have been blocked or deleted since the first factor. `null` or `undefined` = no such user any more,
   * which is 401 `MFA_TOKEN_INVALID`.
   */
  abstract completeLogin(login: MfaLogin, context: ExecutionContext): unknown;

  /**
   * Stores `amr` and `mfaAt` in the session, or makes a new token; what it returns is `session` in the response. Where
   * the factors changed meanwhile, the module calls `revokeSessions` afterwards, and the response has no session.
   */
  completeStepUp?(stepUp: MfaStepUp, context: ExecutionContext): unknown;

  /** Whether `password` is this user's, for the first enrollment. The module counts the attempts. */
  verifyPassword?(principal: MfaPrincipal, password: string, context?: ExecutionContext): boolean | Promise<boolean>;

  /**
   * What the first enrollment of this user needs, for example `'recent-sign-in'` for users without a password.
   * `null` = the option `enrollment.proof` decides. Anything else, `undefined` included, denies the setup.
   */
  enrollmentProof?(principal: MfaPrincipal): MfaEnrollmentProof | null | Promise<MfaEnrollmentProof | null>;

  /**
   * Called after every change of the user's factors: end the sessions that must not survive it (ASVS 7.4.3). Where
   * `change.enabled` is false, also clear `mfaAt` of the session that stays. `context` is the request that made the
   * change, whose own session may stay; without a context end every session of the user. What it returns is `session`
   * in the response. What it throws is logged, because the change is already made.
   */
  revokeSessions?(change: MfaChange, context: ExecutionContext | undefined): unknown;

  /** Id, address and user agent of a request, for events. What it throws is logged. */
  requestInfo?(context: ExecutionContext): MfaRequestInfo | null | undefined;

  /** Receives every outcome. The module does not wait for it; what it throws is logged. */
  notify?(event: MfaEvent): void | Promise<void>;
}
