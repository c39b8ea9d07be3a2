import type { DataSource } from 'typeorm';
import { MfaError } from '../domain/mfa-error.js';
import { MFA_ENTITIES } from './entities/index.js';
import { checkSchema, type SchemaCheckLogger } from './schema-check.js';

/** A DataSource of the application. */
export type HostDataSource = DataSource;

type MfaEntities = (typeof MFA_ENTITIES)[number][];

/**
 * A DataSource of the MFA tables alone, on the database of the host's and made by its TypeORM, initialized and checked.
 * The host's entities, subscribers and migrations have no part in it. The caller destroys it.
 * @throws MfaError `MFA_MISCONFIGURED` when the tables are not there, or not as they must be
 */
export async function openCliDataSource(host: DataSource, logger: SchemaCheckLogger): Promise<DataSource> {
  const own = await openBareDataSource(host, [...MFA_ENTITIES]);
  try {
    await checkSchema(own, logger);
    return own;
  } catch (error) {
    await own.destroy();
    throw error;
  }
}

/**
 * The same database without any entity, for tables that are read by their names. The caller destroys it.
 * @throws MfaError `MFA_MISCONFIGURED` when it cannot be reached
 */
export async function openBareDataSource(host: DataSource, entities: MfaEntities = []): Promise<DataSource> {
  const HostDataSource = host.constructor as typeof DataSource;
  const own = new HostDataSource({
    ...host.options,
    ...{ entities, migrations: [], subscribers: [], cache: false, logging: false },
    ...{ synchronize: false, dropSchema: false, migrationsRun: false },
  });
  try {
    return await own.initialize();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown error';
    throw new MfaError('MFA_MISCONFIGURED', { message: `The database cannot be reached: ${reason}`, cause });
  }
}
