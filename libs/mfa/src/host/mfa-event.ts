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

/** The trusted device of an event. */
export interface MfaEventDevice {
  id: string;
  /** Such as the user agent of the request that trusted it. */
  label: string;
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

// Each comment is the row of the event in docs/reference/events.md: node scripts/events-table.mjs --write

/** A change of a user's factors or sessions; each one calls `MfaHost.revokeSessions`. */
type ChangeDetails =
  /** An enrollment was confirmed. Send the owner a message. */
  | { type: 'mfa.authenticator.confirmed'; authenticator: MfaEventAuthenticator }
  /** An authenticator was removed, and another one is left. `authenticator` is left out if its row no longer exists. Send the owner a message. */
  | { type: 'mfa.authenticator.removed'; authenticator?: MfaEventAuthenticator }
  /** A new set replaced the backup codes. Send the owner a message. */
  | { type: 'mfa.backup_codes.regenerated' }
  /** The user has no factor any more: removed, disabled or purged. `authenticator` is the last one, if it was removed by itself. Send the owner a message, unless it was a purge. */
  | { type: 'mfa.disabled'; authenticator?: MfaEventAuthenticator }
  /** A new factor replaced every other one, after a recovery code. Send the owner a message. */
  | { type: 'mfa.recovered'; authenticator: MfaEventAuthenticator }
  /** An administrator removed every factor. Send the owner a message. */
  | { type: 'mfa.reset' }
  /** The factors changed while `completeLogin` ran, so the new session must end. */
  | { type: 'mfa.login.superseded' };

type OtherDetails =
  /** A login requires its second step, or with `enrollmentRequired: true` the enrollment of a factor. */
  | { type: 'mfa.challenge.issued'; enrollmentRequired?: true }
  /** A proof was accepted. `authenticator` is left out for a password, a backup code, a recovery code, and a factor of the host. */
  | { type: 'mfa.verification.succeeded'; factor: MfaEventFactor; authenticator?: MfaEventAuthenticator }
  /** A proof was refused. */
  | {
      type: 'mfa.verification.failed';
      /** The factor of the attempt. Left out if the code has the format of no factor. */
      factor?: MfaEventFactor;
      failure: MfaFailureReason;
      /** For `clock_skew`: time steps by which the device's clock is ahead of the server's. Negative = behind. */
      skewSteps?: number;
      /**
       * Present if the event stands for this many refusals of one user with this `failure` in an hour, beyond the first 20.
       * They cost no attempt. The other properties are those of the last one.
       */
      count?: number;
    }
  /** The signature counter of a security key went back: another device may have a copy of it. Send the owner a message. */
  | { type: 'mfa.passkey.clone_suspected'; authenticator: MfaEventAuthenticator }
  /** An enrollment was started. `authenticator` is left out for a passkey, which has no id before its confirmation. */
  | { type: 'mfa.setup.started'; method: MfaMethod; authenticator?: MfaEventAuthenticator }
  /** An enrollment was cancelled. */
  | { type: 'mfa.setup.cancelled'; authenticator: MfaEventAuthenticator }
  /** An authenticator got another name. */
  | { type: 'mfa.authenticator.renamed'; authenticator: MfaEventAuthenticator; previousName: string }
  /** An administrator issued a recovery code. Send the owner a message. */
  | { type: 'mfa.recovery_code.issued' }
  /** A recovery code was used. Send the owner a message. */
  | { type: 'mfa.recovery_code.used' }
  /** A user enrolled a factor within a login; a person who has only the password may have done it. It comes after `mfa.authenticator.confirmed` or `mfa.recovered` of the same factor: one message is enough. `reason` is `policy`, `reset` or `recovery`. Send the owner a message. */
  | { type: 'mfa.enrollment.completed'; authenticator: MfaEventAuthenticator; reason: MfaEnrollmentReason | 'recovery' }
  /** A user trusts a device: its logins require no second factor. Send the owner a message. */
  | { type: 'mfa.device.trusted'; device: MfaEventDevice }
  /** A trusted device replaced the second step of a login. */
  | { type: 'mfa.device.used'; device: MfaEventDevice }
  /** The owner revoked `device`, or an administrator revoked every device. A device that a further one replaces has no event of its own. Send the owner a message, unless the owner did it. */
  | { type: 'mfa.device.revoked'; device?: MfaEventDevice }
  /** A secret of a device was presented that is older than the previous one, or wrong, so the device was ended. Somebody may have copied it. Send the owner a message. */
  | { type: 'mfa.device.reused'; device: MfaEventDevice }
  /** An administrator, or a change of the password, ended the locks of the user. */
  | { type: 'mfa.unlocked' }
  /** All mfa_tokens, pending setups and trusted devices of the user became invalid. */
  | { type: 'mfa.invalidated' }
  /** Every row of the user was removed. */
  | { type: 'mfa.user.purged' }
  /** The rows of a user got another user id. `userId` is the new one. No session was ended. */
  | { type: 'mfa.user.moved'; previousUserId: string };

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
