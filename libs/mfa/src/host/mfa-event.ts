import type { MfaMethod } from './mfa-method.js';
import type { MfaEnrollmentReason } from './mfa-policy.js';

/** Who caused an event: the owner, an administrator, or the software itself (cleanup, command line). */
export interface MfaActor {
  type: 'user' | 'admin' | 'system';
  /** The actor's user id, where known. */
  id?: string;
}

/** The authenticator of an event. */
export interface MfaEventAuthenticator {
  id: string;
  type: 'totp' | (string & {});
  name: string;
  /** When it was created. It distinguishes two authenticators that swapped their names. */
  createdAt: Date;
}

/** The proof of an event: a method, or `password` or `confirmation` (the first code of a setup). */
export type MfaEventFactor = MfaMethod | 'password' | 'confirmation';

/** Why a verification failed. For the operator only; no response contains it. */
// S66
export type MfaFailureReason =
  | 'malformed'
  | 'method_not_allowed'
  | 'wrong_code'
  | 'clock_skew'
  | 'already_spent'
  | 'clone_suspected'
  | 'locked'
  | 'busy'
  | 'state_changed';

/** A change of a user's factors or sessions; each one calls `MfaHost.revokeSessions`. */
type ChangeDetails =
  | { type: 'mfa.authenticator.confirmed'; authenticator: MfaEventAuthenticator }
  /** `authenticator` is left out if its row no longer exists. */
  | { type: 'mfa.authenticator.removed'; authenticator?: MfaEventAuthenticator }
  | { type: 'mfa.backup_codes.regenerated' }
  /** The user has no factor any more. `authenticator` is set when the last authenticator was removed by itself. */
  | { type: 'mfa.disabled'; authenticator?: MfaEventAuthenticator }
  /** A new factor replaced every other one, after a recovery code. */
  | { type: 'mfa.recovered'; authenticator: MfaEventAuthenticator }
  /** An administrator removed every factor. */
  | { type: 'mfa.reset' }
  /** The factors changed while `completeLogin` ran, so the new session must end. */
  | { type: 'mfa.login.superseded' };

type OtherDetails =
  /** `enrollmentRequired` is present if the user must enroll a factor before a session is opened. */
  | { type: 'mfa.challenge.issued'; enrollmentRequired?: true }
  | { type: 'mfa.verification.succeeded'; factor: MfaEventFactor; authenticator?: MfaEventAuthenticator }
  | {
      type: 'mfa.verification.failed';
      /** The factor of the attempt. Left out if the code has the format of no factor. */
      factor?: MfaEventFactor;
      failure: MfaFailureReason;
      /** For `clock_skew`: time steps by which the device's clock is ahead of the server's. Negative = behind. */
      skewSteps?: number;
      /**
       * Present if the event stands for this many refused passkey responses of one user in an hour, beyond the first 20.
       * They cost no attempt.
       */
      count?: number;
    }
  /** Another device may have a copy of this security key: its signature counter went back. */
  | { type: 'mfa.passkey.clone_suspected'; authenticator: MfaEventAuthenticator }
  /** `authenticator` is left out for a passkey, which has no id before its confirmation. */
  | { type: 'mfa.setup.started'; method: MfaMethod; authenticator?: MfaEventAuthenticator }
  | { type: 'mfa.setup.cancelled'; authenticator: MfaEventAuthenticator }
  | { type: 'mfa.authenticator.renamed'; authenticator: MfaEventAuthenticator; previousName: string }
  /** An administrator issued a recovery code. Send the owner a message. */
  | { type: 'mfa.recovery_code.issued' }
  /** A recovery code was used. Send the owner a message. */
  | { type: 'mfa.recovery_code.used' }
  /** A user enrolled a factor within a login. Send the owner a message: an attacker with the password may have done it. */
  | { type: 'mfa.enrollment.completed'; authenticator: MfaEventAuthenticator; reason: MfaEnrollmentReason | 'recovery' }
  | { type: 'mfa.unlocked' }
  /** All mfa_tokens and pending setups of the user became invalid. */
  | { type: 'mfa.invalidated' }
  | { type: 'mfa.user.purged' };

/** Properties of every event. */
interface EventBase {
  userId: string;
  at: Date;
  actor: MfaActor;
  /** Why an administrator made the change. */
  reason?: string;
  /** From `MfaHost.requestInfo`, if a request caused the event. The same holds for `ip` and `userAgent`. */
  requestId?: string;
  ip?: string;
  userAgent?: string;
}

/** One event; its `type` decides which properties it has. It contains no code, secret or token. */
// S64
export type MfaEvent = EventBase & (ChangeDetails | OtherDetails);

export type MfaEventType = MfaEvent['type'];

/** The type of an event that calls `MfaHost.revokeSessions`. */
export type MfaChangeType = ChangeDetails['type'];

/** A change of a user's factors or sessions, as `MfaHost.revokeSessions` receives it. */
export interface MfaChange {
  type: MfaChangeType;
  userId: string;
  /** `sessionId` of the principal that made the change. */
  sessionId?: string;
  /** Whether the user has an active factor after the change. If `false`, no session may keep its `mfaAt`. */
  enabled: boolean;
}

/** An event before it is delivered. Without an `actor`, the user caused it. */
type Draft<Details> = Details & { userId: string; actor?: MfaActor; reason?: string };
export type MfaEventDraft = Draft<ChangeDetails | OtherDetails>;
export type MfaChangeDraft = Draft<ChangeDetails>;
