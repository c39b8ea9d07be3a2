import type { AttemptFactor } from '../domain/attempts/attempt-policy.js';

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
  /** When it was created. Two authenticators may swap their names; this tells them apart. */
  createdAt: Date;
}

/** Why a verification failed; for the operator only, never in a response. */
// S66
export type MfaFailureReason =
  'malformed' | 'wrong_code' | 'clock_skew' | 'already_spent' | 'locked' | 'busy' | 'state_changed';

/** A change of a user's factors or sessions; each one calls `MfaHost.revokeSessions`. */
type ChangeDetails =
  | { type: 'mfa.authenticator.confirmed'; authenticator: MfaEventAuthenticator }
  /** `authenticator` is left out where its row was lost. */
  | { type: 'mfa.authenticator.removed'; authenticator?: MfaEventAuthenticator }
  | { type: 'mfa.backup_codes.regenerated' }
  /** The last factor is gone: removed, disabled or purged. `authenticator` is there for the removal of the last one. */
  | { type: 'mfa.disabled'; authenticator?: MfaEventAuthenticator }
  /** An administrator removed every factor. */
  | { type: 'mfa.reset' }
  /** The factors changed while `completeLogin` ran, so that its session must end. */
  | { type: 'mfa.login.superseded' };

type OtherDetails =
  | { type: 'mfa.challenge.issued' }
  | { type: 'mfa.verification.succeeded'; factor: AttemptFactor; authenticator?: MfaEventAuthenticator }
  | {
      type: 'mfa.verification.failed';
      /** The factor of the attempt; left out where the code has the shape of none. */
      factor?: AttemptFactor;
      failure: MfaFailureReason;
      /** For `clock_skew`: how many time steps the device's clock is ahead of the server's (negative: behind). */
      skewSteps?: number;
    }
  | { type: 'mfa.setup.started'; authenticator: MfaEventAuthenticator }
  | { type: 'mfa.setup.cancelled'; authenticator: MfaEventAuthenticator }
  | { type: 'mfa.authenticator.renamed'; authenticator: MfaEventAuthenticator; previousName: string }
  | { type: 'mfa.unlocked' }
  /** Outstanding mfa_tokens and pending setups ended. */
  | { type: 'mfa.invalidated' }
  | { type: 'mfa.user.purged' };

/** What every event has. */
interface EventBase {
  userId: string;
  at: Date;
  actor: MfaActor;
  /** From `MfaHost.requestInfo`, where the event belongs to a request. */
  requestId?: string;
  ip?: string;
  userAgent?: string;
}

/** One outcome, told by its `type`. Holds no code, secret or token. */
// S64
export type MfaEvent = EventBase & (ChangeDetails | OtherDetails);

export type MfaEventType = MfaEvent['type'];

/** The type of an event that calls `MfaHost.revokeSessions`. */
export type MfaChangeType = ChangeDetails['type'];

/** What `MfaHost.revokeSessions` receives. */
export interface MfaChange {
  type: MfaChangeType;
  userId: string;
  /** `sessionId` of the principal that made the change. */
  sessionId?: string;
  /** Whether the user has an active factor after the change. Where not, no session may keep its `mfaAt`. */
  enabled: boolean;
}

/** An event before it is delivered. Without an actor it is the owner's. */
type Draft<Details> = Details & { userId: string; actor?: MfaActor };
export type MfaEventDraft = Draft<ChangeDetails | OtherDetails>;
export type MfaChangeDraft = Draft<ChangeDetails>;
