import { TOTP_ALGORITHMS, type TotpParameters } from '../domain/authenticators/authenticator.js';
import type { HashedSpelling } from '../domain/backup-codes/hash-groups.js';
import type { SourceTable } from './import-source.js';
import { HASHED_OVER, type MfaSecretEncoding, SECRET_ENCODINGS, WINDOW_UNITS } from './import-plan.js';
import { choice, fields, identifier, planError, type PlanValue, text, whole } from './plan-fields.js';
import { type Decrypt, readDecryption } from './read-decryption.js';

/** The plan, checked and with every default filled in. */
export interface ImportMapping {
  from: SourceTable;
  /** Whether `from` has a column for confirmed users. */
  hasEnabled: boolean;
  encoding: MfaSecretEncoding;
  decrypt: Decrypt;
  totp: TotpParameters;
  name: string;
  backupCodes: { table: SourceTable; spelling: HashedSpelling } | null;
  usage: { table: SourceTable; unit: (typeof WINDOW_UNITS)[number] } | null;
}

const ROOT = ['from', 'secret', 'totp', 'name', 'backupCodes', 'usage'] as const;

/**
 * Checks what a plan file exports: an `MfaImportPlan`, or it is refused.
 * @throws MfaError `MFA_MISCONFIGURED`, naming the field and the remedy
 */
export function readPlan(plan: unknown): ImportMapping {
  const given = fields({ value: plan, path: '' }, ROOT);
  const secret = fields(orEmpty(given.secret), ['encoding', 'decrypt']);
  return {
    ...readFrom(given.from),
    encoding: choice(secret.encoding, SECRET_ENCODINGS, 'base32'),
    decrypt: readDecryption(secret.decrypt),
    totp: readTotp(given.totp),
    name: readName(given.name),
    backupCodes: readBackupCodes(given.backupCodes),
    usage: readUsage(given.usage),
  };
}

function readFrom(given: PlanValue): Pick<ImportMapping, 'from' | 'hasEnabled'> {
  const { table, columns, everySecretIsConfirmed } = fields(given, ['table', 'columns', 'everySecretIsConfirmed']);
  const named = fields(columns, ['userId', 'secret', 'enabled', 'createdAt', 'lastUsedAt']);
  const hasEnabled = named.enabled.value !== undefined;
  // A secret that awaits its first code looks like any other, and importing it locks its owner out.
  if (hasEnabled === (everySecretIsConfirmed.value === true)) {
    throw planError(
      named.enabled.path,
      'must name the column of the users who confirmed the secret by a first code. Only where no other secret is ever ' +
        'stored leave it out and set `from.everySecretIsConfirmed: true`',
    );
  }
  return { from: readTable(table, named, ['userId', 'secret']), hasEnabled };
}

function readTable(table: PlanValue, columns: Record<string, PlanValue>, required: string[]): SourceTable {
  const wanted = Object.entries(columns).filter(([name, { value }]) => value !== undefined || required.includes(name));
  const names = Object.fromEntries(wanted.map(([name, column]) => [name, identifier(column, 'the name of a column')]));
  return { table: identifier(table, 'the name of a table or view'), columns: names as SourceTable['columns'] };
}

function readTotp(given: PlanValue): TotpParameters {
  const { algorithm, digits, periodSeconds } = fields(orEmpty(given), ['algorithm', 'digits', 'periodSeconds']);
  return {
    algorithm: choice(algorithm, TOTP_ALGORITHMS, 'SHA1'),
    digits: whole(digits, [6, 8], 6),
    periodSeconds: whole(periodSeconds, [10, 300], 30),
  };
}

function readName(given: PlanValue): string {
  if (given.value === undefined) return 'Authenticator app';
  const name = text(given, 'a name of 1 to 64 characters', 64).trim();
  if (/[\p{Cc}\p{Cs}]/u.test(name)) throw planError(given.path, 'must not contain control characters');
  return name;
}

function readBackupCodes(given: PlanValue): ImportMapping['backupCodes'] {
  if (given.value === undefined) return null;
  const { table, columns, hashedOver } = fields(given, ['table', 'columns', 'hashedOver']);
  const required = ['userId', 'hash', 'usedAt'];
  const named = fields(columns, required);
  const over = choice(hashedOver, HASHED_OVER, 'XXXX-XXXX');
  return {
    table: readTable(table, named, required),
    spelling: over === 'XXXX-XXXX' ? 'hyphenated' : 'plain',
  };
}

function readUsage(given: PlanValue): ImportMapping['usage'] {
  if (given.value === undefined) return null;
  const { table, columns, unit } = fields(given, ['table', 'columns', 'unit']);
  const required = ['userId', 'window'];
  const named = fields(columns, required);
  return { table: readTable(table, named, required), unit: choice(unit, WINDOW_UNITS, 'steps') };
}

function orEmpty({ value, path }: PlanValue): PlanValue {
  return { value: value ?? {}, path };
}
