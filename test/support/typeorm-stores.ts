import type { DataSource } from 'typeorm';
import type { VerificationStores } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import {
  TypeOrmAccountStore,
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmUsageStore,
} from '../../libs/mfa/src/persistence/stores/index.js';

/** The stores of one DataSource. */
export const typeOrmStores = (source: DataSource): VerificationStores => ({
  accounts: new TypeOrmAccountStore(source),
  authenticators: new TypeOrmAuthenticatorStore(source),
  backupCodes: new TypeOrmBackupCodeStore(source),
  usage: new TypeOrmUsageStore(source),
});
