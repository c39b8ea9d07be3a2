import type { MfaPrincipal } from './mfa-host.js';
import { toUserId } from '../domain/accounts/account.js';

/** A principal in its normal form: the id is the stored string, dates are `Date`s, and left-out properties are `undefined`. */
export interface KnownPrincipal extends MfaPrincipal {
  userId: string;
  sessionId: string | undefined;
  amr: readonly string[] | undefined;
  issuer: string | undefined;
  mfaAt: Date | undefined;
  authenticatedAt: Date | undefined;
}

type Warn = (property: 'mfaAt' | 'authenticatedAt' | 'sessionId' | 'amr') => void;

/**
 * Converts a principal to its normal form. Returns `null` for an unusable user id.
 * @param warn called with the name of each unusable property
 */
export function knownPrincipal(principal: MfaPrincipal, warn: Warn = () => {}): KnownPrincipal | null {
  const userId = toUserId(principal.userId);
  if (userId === null) return null;
  const date = (property: 'mfaAt' | 'authenticatedAt') => {
    const read = readPrincipalDate(principal[property]);
    if (read === null) warn(property);
    return read ?? undefined;
  };
  // Each property is read by its name, because a spread loses the accessors of a class instance.
  return {
    ...principal,
    userId,
    accountName: principal.accountName,
    sessionId: sessionIdOf(principal.sessionId, warn),
    amr: amrOf(principal.amr, warn),
    issuer: principal.issuer ?? undefined,
    mfaAt: date('mfaAt'),
    authenticatedAt: date('authenticatedAt'),
  };
}

/** Date and time of ISO 8601 with a time zone. Without a zone, the same text is another instant on another machine. */
const ISO_8601 = /^[+-]?\d{4,6}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)$/i;

/**
 * Reads a date of a principal: a `Date`, or ISO 8601 text. Returns `undefined` if it is left out, `null` if it is
 * unusable. A number is unusable, because it could count seconds or milliseconds.
 */
export function readPrincipalDate(value: unknown): Date | null | undefined {
  if (value === undefined || value === null) return undefined;
  const isText = typeof value === 'string' && ISO_8601.test(value);
  if (!isText && !(value instanceof Date)) return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

function sessionIdOf(sessionId: unknown, warn: Warn): string | undefined {
  if (sessionId === undefined || sessionId === null) return undefined;
  if (typeof sessionId === 'string' && sessionId !== '') return sessionId;
  warn('sessionId');
  return undefined;
}

/** An unusable `amr` counts as an empty list, not as left out: a session with an `amr` needs `mfa` in it. */
// S45
function amrOf(amr: unknown, warn: Warn): readonly string[] | undefined {
  if (amr === undefined || amr === null) return undefined;
  const values: unknown[] = Array.isArray(amr) ? amr : [];
  const usable = values.filter((each) => typeof each === 'string');
  if (!Array.isArray(amr) || usable.length < values.length) warn('amr');
  return usable;
}

/** The account name for authenticator apps: the text itself, or the result of the function. */
export async function accountNameOf({ accountName }: Pick<MfaPrincipal, 'accountName'>): Promise<string> {
  return typeof accountName === 'function' ? accountName() : accountName;
}
