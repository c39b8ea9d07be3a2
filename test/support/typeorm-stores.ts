import type { DataSource } from 'typeorm';
import type { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import type { VerificationStores } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import {
  TypeOrmAccountStore,
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmPasskeyStore,
  TypeOrmUsageStore,
} from '../../libs/mfa/src/persistence/stores/index.js';

/** The stores of one DataSource. */
export const typeOrmStores = (source: DataSource): VerificationStores & { passkeys: MfaPasskeyStore } => ({
  accounts: new TypeOrmAccountStore(source),
  authenticators: new TypeOrmAuthenticatorStore(source),
  backupCodes: new TypeOrmBackupCodeStore(source),
  passkeys: new TypeOrmPasskeyStore(source),
  usage: new TypeOrmUsageStore(source),
});
