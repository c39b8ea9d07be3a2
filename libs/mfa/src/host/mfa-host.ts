import type { ExecutionContext } from '@nestjs/common';
import type { MfaChange, MfaEvent } from './mfa-event.js';
import type { MfaMethod } from './mfa-method.js';
import type { MfaEnrollmentReason, MfaPolicy } from './mfa-policy.js';

/** What the first enrollment of a user needs besides a session. */
export type MfaEnrollmentProof = 'password' | 'recent-sign-in' | 'session-only';

/** The signed-in user of a request. A property with the value `null` counts as left out. */
export interface MfaPrincipal {
  /** The host's id of the user. The module stores it as a string. */
  userId: string | number;
  /** The account name in authenticator apps, such as the e-mail address. A function is called only when a setup starts. */
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

/** A login that may have a session. `issue()` returns it if no second factor is required; `completeLogin` receives it. */
export interface MfaLogin<S = unknown> {
  userId: string;
  /** RFC 8176 values for the session: the ones given to `issue()`, then the ones of the second factor. */
  amr: string[];
  /**
   * When the second factor was passed. Store it in the session. After a login from a trusted device it is the time when the
   * device was trusted. `null` = no second factor was passed.
   */
  mfaAt: Date | null;
  /** The second factor that this login passed. `null` = none; with `mfaAt`, a trusted device replaced it. */
  factor: MfaMethod | null;
  /** Number of unused backup codes. `null` = the user has no second factor. */
  backupCodesRemaining: number | null;
  /** The `state` that was given to `issue()`. */
  state?: S;
  /** From this time the user cannot sign in without a second factor. `null` = no such date. */
  enrollmentDueAt: Date | null;
  /**
   * The token of a device that was trusted in this login by `rememberDevice: 'token'`. Give it to the app, which stores it
   * like a password.
   */
  deviceToken?: string;
}

/** A step-up: a signed-in user passed a second factor. */
export interface MfaStepUp {
  userId: string;
  /** `sessionId` of the principal. */
  sessionId?: string;
  /** RFC 8176 values for the session: the ones of the principal, then `otp` and `mfa` after TOTP, or `mfa` after a backup code. */
  amr: string[];
  /** When the factor was passed. Store it in the session. */
  mfaAt: Date;
  factor: MfaMethod;
  backupCodesRemaining: number;
}

/** The request data of an event. Values other than strings are left out of the event. */
export interface MfaRequestInfo {
  requestId?: string | null | undefined;
  ip?: string | null | undefined;
  userAgent?: string | null | undefined;
}

/**
 * The adapter that the host application implements: it connects nestjs-mfa with the host's users and sessions.
 *
 * The class must be a singleton, so it must not be request-scoped. An error that a method throws is the response to the
 * request, unless the method documents otherwise. A method may return an Observable if its type allows it; the last
 * value counts.
 * @example
 * export class AppMfaHost extends MfaHost {
 *   constructor(\@Inject(SessionService) private readonly sessions: SessionService) {
 *     super();
 *   }
 *
 *   async principal(context: ExecutionContext) {
 *     const session = await this.sessions.of(context.switchToHttp().getRequest());
 *     if (!session) return null;
 *     return { userId: session.userId, accountName: session.email, sessionId: session.id, mfaAt: session.mfaAt };
 *   }
 *
 *   async completeLogin(login: MfaLogin) {
 *     return this.sessions.create(login.userId, { amr: login.amr, mfaAt: login.mfaAt });
 *   }
 * }
 */
export abstract class MfaHost {
  /**
   * Returns the signed-in user of this request, or `null`. Authenticate here: read the session or token yourself.
   * `request.user` may not be set yet, because guards may run before yours. Called once per request, so the result must
   * not depend on the handler of the context.
   */
  abstract principal(context: ExecutionContext): MfaPrincipal | null | Promise<MfaPrincipal | null>;

  /**
   * Creates the host's session or tokens. The returned value is the response of `POST /mfa/verify`. Load the user again:
   * the user may have been blocked or deleted since the first factor. `null` or `undefined` = the user is missing or
   * blocked; the response is then 401 `MFA_TOKEN_INVALID`.
   */
  abstract completeLogin(login: MfaLogin, context: ExecutionContext): unknown;

  /**
   * Stores `amr` and `mfaAt` in the session, or creates a new token. The returned value is `session` in the response. If
   * the factors changed in the meantime, the module calls `revokeSessions` afterwards, and the response has no session.
   */
  completeStepUp?(stepUp: MfaStepUp, context: ExecutionContext): unknown;

  /** Checks the user's password, for the first enrollment. The module limits the attempts. */
  verifyPassword?(principal: MfaPrincipal, password: string, context?: ExecutionContext): boolean | Promise<boolean>;

  /**
   * The proof that the first enrollment of this user requires, for example `'recent-sign-in'` for users without a
   * password. `null` = the option `enrollment.proof` decides. Any other value, also `undefined`, denies the setup.
   */
  enrollmentProof?(principal: MfaPrincipal): MfaEnrollmentProof | null | Promise<MfaEnrollmentProof | null>;

  /**
   * Returns whether this user must have a second factor, from when, and which; `null` = no. Asked at each login, at each
   * verification, and before a factor is removed. If it throws or returns `undefined`, the module refuses the request with
   * `MFA_BUSY`. Give either this method or the option `policy`.
   */
  policy?(userId: string, context?: ExecutionContext): MfaPolicy | null | Promise<MfaPolicy | null>;

  /**
   * Decides whether a user who gave only the first factor may enroll a second one within the login. Called before the first
   * setup of such a login. Any value but `true` is 401 `MFA_PROOF_REQUIRED`. Check here what an attacker with the password
   * does not have, such as a code that you sent by e-mail. Without this method, set the option
   * `enrollment.allowPasswordOnly`.
   */
  authorizeEnrollment?(
    userId: string,
    request: { reason: MfaEnrollmentReason },
    context?: ExecutionContext,
  ): boolean | Promise<boolean>;

  /**
   * Called after every change of the user's factors. End the sessions that must not survive the change (ASVS 7.4.3).
   * `context` is the request in which the user made the change; the session of this request may stay. Without a context,
   * as after a change by an administrator, end every session of the user. If `change.enabled` is `false`, also clear
   * `mfaAt` of the session that stays. The returned value is `session` in the response. An error is only logged, because
   * the change is already committed.
   */
  revokeSessions?(change: MfaChange, context: ExecutionContext | undefined): unknown;

  /** Returns the id, IP address and user agent of a request, for events. An error is only logged. */
  requestInfo?(context: ExecutionContext): MfaRequestInfo | null | undefined;

  /** Receives every event. The module does not wait for the result. An error is only logged. */
  notify?(event: MfaEvent): void | Promise<void>;
}
