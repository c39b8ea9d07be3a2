import { toUserId } from '../domain/accounts/account.js';
import type { MfaActor } from '../host/mfa-event.js';

const LONGEST_REASON = 500;
const LONGEST_SYSTEM = 255;

/** Who makes a change: an administrator of the application, or a program, by a name of at most 255 characters. */
export type MfaAdminActor = { userId: string | number } | { system: string };

/** Who makes a change, and why. Both are in the event. */
export interface MfaAdminAction {
  actor: MfaAdminActor;
  /** At most 500 characters, for example the number of a support case. Never a code or a secret. */
  reason?: string | null | undefined;
}

/** An action in the form that events use. */
export interface AttributedAction {
  actor: MfaActor;
  reason?: string;
}

/**
 * Checks who makes a change, and why.
 * @throws TypeError without a usable actor, or for an unusable reason
 */
// S121
export function readAction(action: MfaAdminAction, caller: string): AttributedAction {
  const { actor, reason } = (action ?? {}) as Partial<MfaAdminAction>;
  const known = readActor(actor);
  if (!known) {
    throw new TypeError(
      `${caller}: \`actor\` must be { userId } of the administrator, or { system } of a program, at most ${LONGEST_SYSTEM} characters`,
    );
  }
  if (reason === undefined || reason === null) return { actor: known };
  if (typeof reason !== 'string' || reason.length > LONGEST_REASON) {
    throw new TypeError(`${caller}: \`reason\` must be a string of at most ${LONGEST_REASON} characters`);
  }
  return { actor: known, reason };
}

/** The action as one of the owner, if the actor is the user whose account changes: a change that owners make themselves. */
export function asOwner({ actor, ...rest }: AttributedAction, userId: string): AttributedAction {
  const isOwner = actor.type === 'admin' && actor.id === userId;
  return { actor: isOwner ? { type: 'user', id: userId } : actor, ...rest };
}

/**
 * Whether the next login after a reset must enroll a factor. Left out = yes.
 * @throws TypeError for a value that is neither a boolean nor left out
 */
// S102
export function readEnrollmentFlag(given: unknown): boolean {
  const required = given ?? true;
  if (typeof required === 'boolean') return required;
  throw new TypeError('MfaAdminService.reset: `requireEnrollment` must be true or false');
}

function isProgram(system: unknown): system is string {
  return typeof system === 'string' && system !== '' && system.length <= LONGEST_SYSTEM;
}

function readActor(actor: unknown): MfaActor | null {
  const { userId, system } = (actor ?? {}) as { userId?: unknown; system?: unknown };
  if (system !== undefined) return isProgram(system) ? { type: 'system', id: system } : null;
  const id = toUserId(userId);
  return id === null ? null : { type: 'admin', id };
}
