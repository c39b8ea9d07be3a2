import type { AttemptFactor } from '../domain/attempts/attempt-policy.js';

/** A change of a user's factors. */
export type MfaChange =
  'authenticator.confirmed' | 'authenticator.removed' | 'backup_codes.regenerated' | 'mfa.disabled';

/** What happened. */
export type MfaEventType =
  | MfaChange
  | 'challenge.issued'
  | 'verification.succeeded'
  | 'verification.failed'
  | 'setup.started'
  | 'authenticator.renamed'
  | 'mfa.unlocked'
  | 'mfa.tokens_revoked';

/** Why a verification failed; for the operator only, never in an answer (S66). */
export type MfaFailureReason = 'malformed' | 'wrong_code' | 'already_spent' | 'locked' | 'busy' | 'state_changed';

/** One outcome. Holds no code, secret or token (S64). */
export interface MfaEvent {
  type: MfaEventType;
  userId: string;
  at: Date;
  factor?: AttemptFactor;
  reason?: MfaFailureReason;
}
