import type { DataSource } from 'typeorm';
import { MFA_ENTITIES } from './entities/index.js';
import { checkSchema, type SchemaCheckLogger } from './schema-check.js';

/**
 * A DataSource of the MFA tables alone, on the database of the host's and made by its TypeORM, initialized and checked.
 * The host's entities, subscribers and migrations have no part in it. The caller destroys it.
 * @throws MfaError `MFA_MISCONFIGURED` when the tables are not there, or not as they must be
 */
export async function openOwnDataSource(host: DataSource, logger: SchemaCheckLogger): Promise<DataSource> {
  const HostDataSource = host.constructor as typeof DataSource;
  const own = await new HostDataSource({
    ...host.options,
    ...{ entities: [...MFA_ENTITIES], migrations: [], subscribers: [] },
    ...{ synchronize: false, dropSchema: false, migrationsRun: false, cache: false },
  }).initialize();
  try {
    await checkSchema(own, logger);
    return own;
  } catch (error) {
    await own.destroy();
    throw error;
  }
}
