import type { ExecutionContext } from '@nestjs/common';
import { DEFAULT_ATTEMPT_POLICY } from '../domain/attempts/attempt-budget.js';
import type { AttemptPolicy } from '../domain/attempts/attempt-policy.js';
import { TOTP_ALGORITHMS, type TotpParameters } from '../domain/authenticators/authenticator.js';
import { MfaError } from '../domain/mfa-error.js';
import { fernetKeyPair } from '../domain/secrets/fernet.js';
import type { FernetReading } from '../domain/secrets/fernet-format.js';
import { KeyRing } from '../domain/secrets/key-ring.js';
import type { MfaAttemptOptions, MfaExpiringTable, MfaFernetOptions, MfaOptions } from './mfa-options.js';
import { EXTRA_NAMES } from './mfa.module-definition.js';

/** Options with every default filled in, in the units the code computes with. */
export interface ResolvedMfaOptions {
  issuer: string;
  keyRing: KeyRing;
  enrollment: 'password' | 'recent-sign-in' | 'session-only' | undefined;
  setupLifetimeMs: number;
  maxAuthenticators: number;
  disableWithPassword: boolean;
  acquireTimeoutMs: number;
  statementTimeoutMs: number;
  totp: TotpParameters & { window: number };
  challenge: {
    lifetimeSeconds: number;
    extractToken: ((context: ExecutionContext) => string | null | undefined) | undefined;
    cookieName: string;
    cookiePath: string | undefined;
    cookieSecure: boolean;
  };
  backupCodes: { count: number; lowAt: number };
  attempts: AttemptPolicy;
  fernet: FernetReading | undefined;
  cleanup: { enabled: boolean; intervalMs: number; batchSize: number; tables: readonly MfaExpiringTable[] };
}

/** Injection token of {@link ResolvedMfaOptions}. */
export const MFA_RESOLVED_OPTIONS = Symbol.for('nestjs-mfa:resolved-options');

const ENROLLMENT_PROOFS = ['password', 'recent-sign-in', 'session-only'] as const;

const misconfigured = (message: string) => new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

/** `value`, or the default where it is left out; refuses what is no whole number of the range. */
function whole(option: string, value: number | undefined, fallback: number, least: number, most: number): number {
  const number = value ?? fallback;
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw misconfigured(`option \`${option}\` must be a whole number from ${least} to ${most}`);
}

/** `value` if it is allowed; refuses anything else. */
export function oneOf<T extends string>(option: string, value: NoInfer<T>, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw misconfigured(`option \`${option}\` must be one of ${allowed.map((each) => `'${each}'`).join(', ')}`);
}

function resolveIssuer(issuer: unknown): string {
  // A colon would end the issuer in the label of the Key URI (S20).
  if (typeof issuer === 'string' && /^[^\p{Cc}\p{Cs}:]{1,64}$/u.test(issuer) && issuer.trim() === issuer) return issuer;
  throw misconfigured(
    'option `issuer` is missing or unusable; give the name that authenticator apps shall show: 1 to 64 characters, no colon, no control characters, no outer spaces',
  );
}

/** Counters are 32-bit columns, and locks are added to epoch milliseconds: far below either's limit. */
const MOST_ATTEMPTS = 1_000_000;
const LONGEST_LOCK_SECONDS = 366 * 24 * 60 * 60;

function resolveAttempts(options: MfaAttemptOptions = {}): AttemptPolicy {
  const base = DEFAULT_ATTEMPT_POLICY;
  const attempts = (name: 'maxFailures' | 'dailyBurst' | 'dailyRefill' | 'disableAfter') =>
    whole(`attempts.${name}`, options[name], base[name], 1, MOST_ATTEMPTS);
  const seconds = (name: 'lockSeconds' | 'maxLockSeconds', fallbackMs: number) =>
    whole(`attempts.${name}`, options[name], fallbackMs / 1000, 1, LONGEST_LOCK_SECONDS) * 1000;
  const policy: AttemptPolicy = {
    maxFailures: attempts('maxFailures'),
    lockMs: seconds('lockSeconds', base.lockMs),
    maxLockMs: seconds('maxLockSeconds', base.maxLockMs),
    dailyBurst: attempts('dailyBurst'),
    dailyRefill: attempts('dailyRefill'),
    disableAfter: attempts('disableAfter'),
  };
  if (policy.lockMs > policy.maxLockMs) {
    throw misconfigured('option `attempts.lockSeconds` must not exceed `attempts.maxLockSeconds`, the longest lock');
  }
  if (policy.disableAfter < policy.maxFailures) {
    throw misconfigured('option `attempts.disableAfter` must not be below `attempts.maxFailures`, the first lock');
  }
  return policy;
}

/** Ten years. */
const LONGEST_GRACE_SECONDS = 10 * 366 * 24 * 60 * 60;

function resolveCleanup(cleanup: MfaOptions['cleanup']): ResolvedMfaOptions['cleanup'] {
  const options = cleanup === false ? {} : (cleanup ?? {});
  return {
    enabled: cleanup !== false,
    // The longest delay that Node's timers take is 2^31 - 1 ms.
    intervalMs: whole('cleanup.intervalSeconds', options.intervalSeconds, 300, 1, 2_147_483) * 1000,
    batchSize: whole('cleanup.batchSize', options.batchSize, 1000, 1, 10_000),
    tables: (options.tables ?? []).map((table, index) => {
      whole(`cleanup.tables[${index}].graceSeconds`, table.graceSeconds, 0, 0, LONGEST_GRACE_SECONDS);
      return table;
    }),
  };
}

function resolveChallenge(options: NonNullable<MfaOptions['challenge']> = {}): ResolvedMfaOptions['challenge'] {
  const cookieName = options.cookieName ?? 'mfa_token';
  // RFC 6265 §4.1.1: a cookie name is a token, a path holds neither control characters nor a semicolon.
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(cookieName)) throw misconfigured('option `challenge.cookieName` is no cookie name');
  if (options.cookiePath !== undefined && !/^\/[^\p{Cc};]*$/u.test(options.cookiePath)) {
    throw misconfigured('option `challenge.cookiePath` must be a path that begins with a slash');
  }
  if (options.extractToken !== undefined && typeof options.extractToken !== 'function') {
    throw misconfigured('option `challenge.extractToken` must be a function');
  }
  return {
    lifetimeSeconds: whole('challenge.lifetimeSeconds', options.lifetimeSeconds, 300, 30, 3600),
    extractToken: options.extractToken,
    cookieName,
    cookiePath: options.cookiePath,
    cookieSecure: options.cookieSecure ?? true,
  };
}

/** What the option `fernet` allows, also for the command line. */
export function resolveFernet(fernet: MfaFernetOptions | undefined): FernetReading | undefined {
  if (fernet === undefined || fernet === null) return undefined;
  const { keys, until } = fernet;
  const untilMs = until instanceof Date || typeof until === 'string' ? new Date(until).getTime() : NaN;
  // Without an end it would stay for ever, and with it the one format that a database writer can move between rows.
  if (Number.isNaN(untilMs)) {
    throw misconfigured('option `fernet.until` must be a Date or an ISO 8601 date, after which no token is read');
  }
  if (!Array.isArray(keys) || keys.length === 0) {
    throw misconfigured('option `fernet.keys` must be a list of at least one { key } or { secretKey }');
  }
  return {
    untilMs,
    keyPairs: keys.map((key, index) => fernetKeyPair(key, `MfaModule: option \`fernet.keys[${index}]\``)),
  };
}

/**
 * Fills in every default and refuses what cannot work, naming the option and the remedy.
 * @throws MfaError `MFA_MISCONFIGURED`
 */
export function resolveOptions(options: MfaOptions): ResolvedMfaOptions {
  if (typeof options !== 'object' || options === null) {
    throw misconfigured(
      'no options were given; call forRoot({ issuer, keys, host }) or let the forRootAsync factory return { issuer, keys }',
    );
  }
  // Only a forRootAsync factory can bring them here, too late to be heeded: `requireMfa` would guard nothing.
  const misplaced = EXTRA_NAMES.find((name) => name in options);
  if (misplaced) throw misconfigured(`option \`${misplaced}\` must stand beside the factory, not in what it returns`);
  const { totp = {}, backupCodes = {} } = options;
  const count = whole('backupCodes.count', backupCodes.count, 10, 4, 20);
  return {
    issuer: resolveIssuer(options.issuer),
    keyRing: new KeyRing(options.keys),
    // Not by truthiness: an empty setting must not come to mean that no proof is demanded (S12).
    enrollment: options.enrollment == null ? undefined : oneOf('enrollment', options.enrollment, ENROLLMENT_PROOFS),
    setupLifetimeMs: whole('setupLifetimeSeconds', options.setupLifetimeSeconds, 600, 60, 3600) * 1000,
    maxAuthenticators: whole('maxAuthenticators', options.maxAuthenticators, 5, 1, 10),
    disableWithPassword: options.disableWithPassword ?? false,
    acquireTimeoutMs: whole('acquireTimeoutSeconds', options.acquireTimeoutSeconds, 5, 1, 60) * 1000,
    statementTimeoutMs: whole('statementTimeoutSeconds', options.statementTimeoutSeconds, 10, 1, 300) * 1000,
    totp: {
      algorithm: oneOf('totp.algorithm', totp.algorithm ?? 'SHA1', TOTP_ALGORITHMS),
      digits: whole('totp.digits', totp.digits, 6, 6, 8),
      periodSeconds: whole('totp.periodSeconds', totp.periodSeconds, 30, 10, 300),
      window: whole('totp.window', totp.window, 1, 0, 10),
    },
    challenge: resolveChallenge(options.challenge),
    backupCodes: { count, lowAt: whole('backupCodes.lowAt', backupCodes.lowAt, 3, 0, count) },
    attempts: resolveAttempts(options.attempts),
    fernet: resolveFernet(options.fernet),
    cleanup: resolveCleanup(options.cleanup),
  };
}
