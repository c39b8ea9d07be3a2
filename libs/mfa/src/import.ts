import { Logger } from '@nestjs/common';
import { SystemClock } from './domain/clock.js';
import { SystemRandom } from './domain/random.js';
import { KeyRing, type MfaKey } from './domain/secrets/key-ring.js';
import { SecretBox } from './domain/secrets/secret-box.js';
import { MfaException, toMfaException } from './errors/mfa.exception.js';
import { listChanges, type MfaChangesSinceImport } from './import/changes-since-import.js';
import type { MfaImportPlan } from './import/import-plan.js';
import type { MfaImportReport } from './import/import-report.js';
import { runImport } from './import/import-run.js';
import { checkImportKeys } from './import/key-check.js';
import { readPlan } from './import/read-plan.js';
import { type HostDataSource, openBareDataSource, openCliDataSource } from './persistence/cli-data-source.js';
import { TypeOrmImportSource } from './persistence/import-source.js';
import { importStores } from './persistence/import-stores.js';
import { TypeOrmSealedValueStore } from './persistence/stores/index.js';

export type { MfaChangedUser, MfaChangesSinceImport, MfaSpentCode } from './import/changes-since-import.js';
export type { MfaAesDecryption, MfaImportPlan, MfaSecretDecryption, MfaSecretEncoding } from './import/import-plan.js';
export type { MfaImportReport, MfaImportSkip } from './import/import-report.js';

/** The databases of an import. */
export interface MfaImportDatabases {
  /**
   * The database of the MFA tables. The import opens its own connections with the options of this DataSource and closes
   * them. The DataSource itself stays untouched and need not be initialized. It must not be an in-memory database.
   */
  dataSource: HostDataSource;
  /** The database of the tables that the plan names. @default `dataSource` */
  source?: HostDataSource;
}

/** The options of {@link importMfaUsers}. */
export interface MfaImportOptions extends MfaImportDatabases {
  /** The tables and columns of the old system. */
  plan: MfaImportPlan;
  /** The option `keys` of the application. What is sealed under another key locks its owner out. */
  keys: readonly MfaKey[];
  /** `false` = a dry run, which writes nothing. @default false */
  apply?: boolean;
  /** Is called after each page of 200 users. */
  onProgress?: (done: number, total: number) => void;
  /** Stops the import after the users that are being written. The next run continues. */
  signal?: AbortSignal;
}

/** The options of {@link listMfaChangesSinceImport}. */
export interface MfaChangesOptions extends MfaImportDatabases {
  /** The plan of the import. */
  plan: MfaImportPlan;
  /** Stops the comparison. */
  signal?: AbortSignal;
}

const logger = new Logger('nestjs-mfa');

/**
 * Imports users' authenticators and backup codes from the tables of another system. Does what the command
 * `nestjs-mfa import` does. It never changes the old tables. It is safe to run twice, and to stop at any time.
 *
 * A database error after the first written user ends the import. The report carries it as `failure`.
 * @throws MfaException `MFA_MISCONFIGURED` when the plan, the keys, `apply` or a table is not usable; nothing was written then.
 * `MFA_BUSY` when the database cannot be used
 * @example
 * const dryRun = await importMfaUsers({ plan, keys, dataSource });
 * if (dryRun.ok) await importMfaUsers({ plan, keys, dataSource, apply: true });
 */
export async function importMfaUsers(options: MfaImportOptions): Promise<MfaImportReport> {
  const { plan, keys, onProgress, signal } = options;
  const apply = options.apply ?? false;
  if (typeof apply !== 'boolean') {
    throw new MfaException('MFA_MISCONFIGURED', { message: 'importMfaUsers: `apply` must be true or false' });
  }
  return withDatabases(options, async (own, from) => {
    const mapping = readPlan(plan);
    const ring = new KeyRing(keys);
    const box = new SecretBox(ring, new SystemRandom());
    const warning = await checkImportKeys(new TypeOrmSealedValueStore(own), { ring, box });
    if (warning !== null) logger.warn(warning);
    const tools = { ...importStores(own), box, clock: new SystemClock() };
    return runImport({ mapping, source: new TypeOrmImportSource(from), tools, apply, onProgress, signal });
  });
}

/**
 * Lists what the old system must take over before it goes back into service: the backup codes that were used or
 * replaced since the import, and the users whose imported authenticator was removed. Does what the command
 * `nestjs-mfa export` does. It only reads, and needs no keys.
 * @returns `null` when `signal` stopped it
 * @throws MfaException `MFA_MISCONFIGURED` when the plan or a table is not usable; `MFA_BUSY` when the database cannot
 * be used
 * @example
 * const changes = await listMfaChangesSinceImport({ plan, dataSource });
 * for (const { userId, hash } of changes?.backupCodes ?? []) await oldSystem.markUsed(userId, hash);
 */
export async function listMfaChangesSinceImport(options: MfaChangesOptions): Promise<MfaChangesSinceImport | null> {
  const { plan, signal } = options;
  return withDatabases(options, async (own, from) =>
    listChanges({ mapping: readPlan(plan), source: new TypeOrmImportSource(from), tools: importStores(own), signal }),
  );
}

/** Does `work` on connections of the library alone, and closes them. */
async function withDatabases<T>(
  { dataSource, source }: MfaImportDatabases,
  work: (own: HostDataSource, from: HostDataSource) => Promise<T>,
): Promise<T> {
  try {
    const own = await openCliDataSource(dataSource, logger);
    try {
      if (source === undefined || source === dataSource) return await work(own, own);
      const from = await openBareDataSource(source);
      try {
        return await work(own, from);
      } finally {
        await from.destroy();
      }
    } finally {
      await own.destroy();
    }
  } catch (error) {
    throw toMfaException(error);
  }
}
