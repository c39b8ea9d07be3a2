import type { MfaEnrollmentProof } from '../host/mfa-host.js';
import type { AttemptPolicy } from '../domain/attempts/attempt-policy.js';
import { TOTP_ALGORITHMS, type TotpParameters } from '../domain/authenticators/authenticator.js';
import { fernetKeyPair } from '../domain/secrets/fernet.js';
import { issuerFits } from '../domain/totp/app-compatibility.js';
import type { FernetReading } from '../domain/secrets/fernet-format.js';
import { KeyRing } from '../domain/secrets/key-ring.js';
import type { MfaExpiringTable, MfaFernetOptions, MfaOptions } from './mfa-options.js';
import { flag, group, list, misconfigured, oneOf, whole } from './option-checks.js';
import { resolveAttempts } from './resolve-attempts.js';
import { requireKnownResult } from './unknown-options.js';
import { resolveChallenge, type ResolvedChallengeOptions } from './resolve-challenge.js';

type ResolvedExpiringTable = MfaExpiringTable & { graceSeconds: number };

/** Options with every default filled in, in the units the code computes with. */
export interface ResolvedMfaOptions {
  issuer: string;
  keyRing: KeyRing;
  /** `undefined` where neither an option nor a default decides. */
  enrollment: MfaEnrollmentProof | undefined;
  setupLifetimeMs: number;
  maxAuthenticators: number;
  disableWithPassword: boolean;
  acquireTimeoutMs: number;
  statementTimeoutMs: number;
  totp: TotpParameters & { window: number };
  challenge: ResolvedChallengeOptions;
  backupCodes: { count: number; lowAt: number };
  attempts: AttemptPolicy;
  fernet: FernetReading | undefined;
  cleanup: { enabled: boolean; intervalMs: number; batchSize: number; tables: readonly ResolvedExpiringTable[] };
}

/** Injection token of {@link ResolvedMfaOptions}. */
export const MFA_RESOLVED_OPTIONS = Symbol.for('nestjs-mfa:resolved-options');

const ENROLLMENT_PROOFS: readonly MfaEnrollmentProof[] = ['password', 'recent-sign-in', 'session-only'];

function resolveIssuer(issuer: unknown, totp: TotpParameters): string {
  // A colon would end the issuer in the label of the Key URI (S20).
  if (typeof issuer !== 'string' || !/^[^\p{Cc}\p{Cs}:]{1,64}$/u.test(issuer) || issuer.trim() !== issuer) {
    throw misconfigured(
      'option `issuer` is missing or unusable; give the name that authenticator apps shall show: 1 to 64 characters, no colon, no control characters, no outer spaces',
    );
  }
  if (issuerFits(issuer, totp)) return issuer;
  throw misconfigured(
    'option `issuer` is too long for a QR code, in which a character outside of ASCII takes 6 to 12; give a shorter name',
  );
}

function resolveTotp(totp: MfaOptions['totp']): ResolvedMfaOptions['totp'] {
  const options = group('totp', totp);
  return {
    algorithm: oneOf('totp.algorithm', options.algorithm ?? 'SHA1', TOTP_ALGORITHMS),
    digits: whole('totp.digits', options.digits, 6, 6, 8),
    periodSeconds: whole('totp.periodSeconds', options.periodSeconds, 30, 10, 300),
    window: whole('totp.window', options.window, 1, 0, 10),
  };
}

/** Ten years. */
const LONGEST_GRACE_SECONDS = 10 * 366 * 24 * 60 * 60;

function resolveCleanup(cleanup: MfaOptions['cleanup']): ResolvedMfaOptions['cleanup'] {
  const options = group('cleanup', cleanup === false ? {} : cleanup);
  return {
    enabled: cleanup !== false,
    // The longest delay that Node's timers take is 2^31 - 1 ms.
    intervalMs: whole('cleanup.intervalSeconds', options.intervalSeconds, 300, 1, 2_147_483) * 1000,
    batchSize: whole('cleanup.batchSize', options.batchSize, 1000, 1, 10_000),
    tables: list('cleanup.tables', options.tables).map((table, index) => {
      const { graceSeconds } = group(`cleanup.tables[${index}]`, table);
      const grace = whole(`cleanup.tables[${index}].graceSeconds`, graceSeconds, 0, 0, LONGEST_GRACE_SECONDS);
      return { entity: table.entity, expiresAt: table.expiresAt, graceSeconds: grace };
    }),
  };
}

function resolveEnrollment(enrollment: MfaOptions['enrollment']) {
  const proof = ENROLLMENT_PROOFS.find((each) => each === (enrollment as unknown));
  if (proof)
    throw misconfigured(`option \`enrollment\` must be an object: write \`enrollment: { proof: '${proof}' }\``);
  const options = group('enrollment', enrollment);
  return {
    // Not by truthiness: an empty setting must not come to mean that no proof is required (S12).
    enrollment: options.proof == null ? undefined : oneOf('enrollment.proof', options.proof, ENROLLMENT_PROOFS),
    setupLifetimeMs: whole('enrollment.setupLifetimeSeconds', options.setupLifetimeSeconds, 600, 60, 3600) * 1000,
    maxAuthenticators: whole('enrollment.maxAuthenticators', options.maxAuthenticators, 5, 1, 10),
    disableWithPassword: flag('enrollment.disableWithPassword', options.disableWithPassword, false),
  };
}

function resolveTimeouts(timeouts: MfaOptions['timeouts']) {
  const options = group('timeouts', timeouts);
  return {
    acquireTimeoutMs: whole('timeouts.connectionSeconds', options.connectionSeconds, 5, 1, 60) * 1000,
    statementTimeoutMs: whole('timeouts.statementSeconds', options.statementSeconds, 10, 1, 300) * 1000,
  };
}

/** What the option `fernet` allows, also for the command line. */
export function resolveFernet(fernet: MfaFernetOptions | null | undefined): FernetReading | undefined {
  if (fernet === undefined || fernet === null) return undefined;
  const { keys, until } = group('fernet', fernet);
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
  requireKnownResult(options);
  const totp = resolveTotp(options.totp);
  const backupCodes = group('backupCodes', options.backupCodes);
  const count = whole('backupCodes.count', backupCodes.count, 10, 4, 20);
  return {
    issuer: resolveIssuer(options.issuer, totp),
    keyRing: new KeyRing(options.keys),
    ...resolveEnrollment(options.enrollment),
    ...resolveTimeouts(options.timeouts),
    totp,
    challenge: resolveChallenge(options.challenge),
    backupCodes: { count, lowAt: whole('backupCodes.lowAt', backupCodes.lowAt, 3, 0, count) },
    attempts: resolveAttempts(options.attempts),
    fernet: resolveFernet(options.fernet),
    cleanup: resolveCleanup(options.cleanup),
  };
}
