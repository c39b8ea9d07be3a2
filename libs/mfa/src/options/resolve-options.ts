import type { BackupCodeLength } from '../domain/backup-codes/generate.js';
import type { MfaEnrollmentProof } from '../host/mfa-host.js';
import type { MfaPolicy } from '../host/mfa-policy.js';
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
import { resolveDevices, type ResolvedTrustedDevices } from './resolve-devices.js';
import { resolvePasskeys, type ResolvedPasskeys } from './resolve-passkeys.js';

type ResolvedExpiringTable = MfaExpiringTable & { graceSeconds: number };

/** All options with defaults, in the units that the code uses. */
export interface ResolvedMfaOptions {
  issuer: string;
  keyRing: KeyRing;
  /** `undefined` if the option is left out. */
  enrollment: MfaEnrollmentProof | undefined;
  setupLifetimeMs: number;
  maxAuthenticators: number;
  disableWithPassword: boolean;
  allowPasswordOnly: boolean;
  enrollmentTokenSeconds: number;
  acquireTimeoutMs: number;
  statementTimeoutMs: number;
  totp: TotpParameters & { window: number };
  challenge: ResolvedChallengeOptions;
  backupCodes: { count: number; length: BackupCodeLength; lowAt: number };
  /** `null` = passkeys are off. */
  passkeys: ResolvedPasskeys | null;
  /** Unchecked: its methods are those of the factors. `null` = there is no such option. */
  policy: MfaPolicy | null;
  /** `null` = no device is trusted. */
  trustedDevices: ResolvedTrustedDevices | null;
  attempts: AttemptPolicy;
  fernet: FernetReading | undefined;
  /** `null` = there is no audit table. */
  audit: { retentionMs: number } | null;
  cleanup: { enabled: boolean; intervalMs: number; batchSize: number; tables: readonly ResolvedExpiringTable[] };
}

/** Injection token of {@link ResolvedMfaOptions}. */
export const MFA_RESOLVED_OPTIONS = Symbol.for('nestjs-mfa:resolved-options');

const ENROLLMENT_PROOFS: readonly MfaEnrollmentProof[] = ['password', 'recent-sign-in', 'session-only'];

function resolveIssuer(issuer: unknown, totp: TotpParameters): string {
  // S20: a colon would end the issuer in the label of the Key URI.
  if (typeof issuer !== 'string' || !/^[^\p{Cc}\p{Cs}:]{1,64}$/u.test(issuer) || issuer.trim() !== issuer) {
    throw misconfigured(
      'option `issuer` is missing or unusable; set the name that authenticator apps show: 1 to 64 characters, no colon, no control characters, no outer spaces',
    );
  }
  if (issuerFits(issuer, totp)) return issuer;
  throw misconfigured(
    'option `issuer` is too long for a QR code, where a character outside ASCII takes 6 to 12 bytes; use a shorter name',
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

/** The longest grace time of an expired row: ten years. */
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

const DAY_MS = 24 * 60 * 60 * 1000;

function resolveAudit(audit: MfaOptions['audit']): ResolvedMfaOptions['audit'] {
  if (audit === undefined || audit === null) return null;
  const { retentionDays } = group('audit', audit);
  return { retentionMs: whole('audit.retentionDays', retentionDays, 365, 1, 3650) * DAY_MS };
}

function resolveEnrollment(enrollment: MfaOptions['enrollment']) {
  const proof = ENROLLMENT_PROOFS.find((each) => each === (enrollment as unknown));
  if (proof)
    throw misconfigured(`option \`enrollment\` must be an object: write \`enrollment: { proof: '${proof}' }\``);
  const options = group('enrollment', enrollment);
  return {
    // S12: compared with null, because an empty string must be refused and not count as left out.
    enrollment: options.proof == null ? undefined : oneOf('enrollment.proof', options.proof, ENROLLMENT_PROOFS),
    setupLifetimeMs: whole('enrollment.setupLifetimeSeconds', options.setupLifetimeSeconds, 600, 60, 3600) * 1000,
    maxAuthenticators: whole('enrollment.maxAuthenticators', options.maxAuthenticators, 5, 1, 10),
    disableWithPassword: flag('enrollment.disableWithPassword', options.disableWithPassword, false),
    allowPasswordOnly: flag('enrollment.allowPasswordOnly', options.allowPasswordOnly, false),
    enrollmentTokenSeconds: whole('enrollment.tokenLifetimeSeconds', options.tokenLifetimeSeconds, 900, 60, 3600),
  };
}

/** The deadlines of statements; without options their defaults. */
export function resolveTimeouts(timeouts?: MfaOptions['timeouts']) {
  const options = group('timeouts', timeouts);
  return {
    acquireTimeoutMs: whole('timeouts.connectionSeconds', options.connectionSeconds, 5, 1, 60) * 1000,
    statementTimeoutMs: whole('timeouts.statementSeconds', options.statementSeconds, 10, 1, 300) * 1000,
  };
}

/** Resolves the option `fernet`. Returns `undefined` if it is left out. The command line uses it, too. */
export function resolveFernet(fernet: MfaFernetOptions | null | undefined): FernetReading | undefined {
  if (fernet === undefined || fernet === null) return undefined;
  const { keys, until } = group('fernet', fernet);
  const untilMs = until instanceof Date || typeof until === 'string' ? new Date(until).getTime() : NaN;
  // The end is required: a Fernet token is not bound to its row, so somebody who can write the table can move it.
  if (Number.isNaN(untilMs)) {
    throw misconfigured(
      'option `fernet.until` must be a Date or an ISO 8601 date; from then on Fernet tokens are refused',
    );
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
 * Checks the options and adds the defaults. An error names the option and the remedy.
 * @throws MfaError `MFA_MISCONFIGURED`
 */
export function resolveOptions(options: MfaOptions): ResolvedMfaOptions {
  requireKnownResult(options);
  const totp = resolveTotp(options.totp);
  const backupCodes = group('backupCodes', options.backupCodes);
  const count = whole('backupCodes.count', backupCodes.count, 10, 4, 20);
  const issuer = resolveIssuer(options.issuer, totp);
  return {
    issuer,
    keyRing: new KeyRing(options.keys),
    ...resolveEnrollment(options.enrollment),
    ...resolveTimeouts(options.timeouts),
    totp,
    challenge: resolveChallenge(options.challenge),
    backupCodes: {
      count,
      length: codeLength(backupCodes.length),
      lowAt: whole('backupCodes.lowAt', backupCodes.lowAt, 3, 0, count),
    },
    passkeys: resolvePasskeys(options.passkeys, issuer),
    policy: options.policy ?? null,
    trustedDevices: resolveDevices(options.trustedDevices),
    attempts: resolveAttempts(options.attempts),
    fernet: resolveFernet(options.fernet),
    audit: resolveAudit(options.audit),
    cleanup: resolveCleanup(options.cleanup),
  };
}

function codeLength(length: 8 | 13 | null | undefined): BackupCodeLength {
  const chosen = length ?? 8;
  if (chosen === 8 || chosen === 13) return chosen;
  throw misconfigured('option `backupCodes.length` must be 8 or 13');
}
