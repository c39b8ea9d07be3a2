import type { DataSource } from 'typeorm';
import type { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import type { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import type { VerificationStores } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import {
  TypeOrmAccountStore,
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmDeviceStore,
  TypeOrmPasskeyStore,
  TypeOrmPolicySeenStore,
  TypeOrmUsageStore,
} from '../../libs/mfa/src/persistence/stores/index.js';

/** The stores of one DataSource. */
export const typeOrmStores = (
  source: DataSource,
): VerificationStores & { policiesSeen: MfaPolicySeenStore; devices: MfaDeviceStore } => ({
  accounts: new TypeOrmAccountStore(source),
  authenticators: new TypeOrmAuthenticatorStore(source),
  backupCodes: new TypeOrmBackupCodeStore(source),
  passkeys: new TypeOrmPasskeyStore(source),
  devices: new TypeOrmDeviceStore(source),
  policiesSeen: new TypeOrmPolicySeenStore(source),
  usage: new TypeOrmUsageStore(source),
});
