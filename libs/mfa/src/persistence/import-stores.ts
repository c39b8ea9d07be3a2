import type { DataSource } from 'typeorm';
import type { ImportTools } from '../import/import-tools.js';
import {
  TypeOrmAccountStore,
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmUsageStore,
} from './stores/index.js';

/** The stores that an import reads and writes, on the DataSource of the MFA tables. */
export function importStores(own: DataSource): Omit<ImportTools, 'box' | 'clock'> {
  return {
    accounts: new TypeOrmAccountStore(own),
    authenticators: new TypeOrmAuthenticatorStore(own),
    backupCodes: new TypeOrmBackupCodeStore(own),
    usage: new TypeOrmUsageStore(own),
  };
}
