import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type InjectionToken,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { MfaAccountListStore } from '../domain/accounts/account-list.store.js';
import { MfaUserMoveStore } from '../domain/accounts/user-move.store.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaAuditStore } from '../domain/audit/audit.store.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { HOST_TABLES, type HostTables } from '../domain/host-tables.js';
import { MfaPasskeyStore } from '../domain/passkeys/passkey.store.js';
import { MfaPolicySeenStore } from '../domain/policy/policy-seen.store.js';
import { MfaSealedValueStore } from '../domain/secrets/sealed-value.store.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { MfaVerificationStore } from '../domain/verification/verification.store.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaExpiringTable } from '../options/mfa-options.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { dialectOf } from './statements/sql.js';
import { purgeExpiring, requireExpiryColumn } from './expiring-table.js';
import { endGivenUp } from './statements/given-up-statements.js';
import { checkSchema } from './schema-check.js';
import { PostgresAccountStore } from './postgres/postgres-account.store.js';
import { PostgresVerificationStore } from './postgres/postgres-verification.store.js';
import {
  StepwiseVerificationStore,
  TypeOrmAccountListStore,
  TypeOrmAccountStore,
  TypeOrmAuditStore,
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmDeviceStore,
  TypeOrmPasskeyStore,
  TypeOrmPolicySeenStore,
  TypeOrmSealedValueStore,
  TypeOrmUsageStore,
  TypeOrmUserMoveStore,
} from './stores/index.js';

/** Injection token of the DataSource that holds the MFA tables. */
export const MFA_DATA_SOURCE = Symbol.for('nestjs-mfa:data-source');

/** Each storage port, its plain SQL store, and its store on PostgreSQL where that is another one. */
const STORES = [
  [MfaAccountStore, TypeOrmAccountStore, PostgresAccountStore],
  [MfaAccountListStore, TypeOrmAccountListStore],
  [MfaUserMoveStore, TypeOrmUserMoveStore],
  [MfaAuditStore, TypeOrmAuditStore],
  [MfaAuthenticatorStore, TypeOrmAuthenticatorStore],
  [MfaBackupCodeStore, TypeOrmBackupCodeStore],
  [MfaUsageStore, TypeOrmUsageStore],
  [MfaSealedValueStore, TypeOrmSealedValueStore],
  [MfaPasskeyStore, TypeOrmPasskeyStore],
  [MfaPolicySeenStore, TypeOrmPolicySeenStore],
  [MfaDeviceStore, TypeOrmDeviceStore],
] as const;

/**
 * Checks at start that the tables are there and that those of the host can be cleaned. When the application closes, it
 * ends the statements that were given up.
 */
@Injectable()
@ThrowsMfaException()
export class PersistenceCheck implements OnModuleInit, BeforeApplicationShutdown {
  constructor(
    @Inject(MFA_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const table of this.options.cleanup.tables) requireExpiryColumn(this.dataSource, table);
    await checkSchema(this.dataSource, new Logger('nestjs-mfa'));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await endGivenUp(this.dataSource);
  }
}

const isPostgres = (dataSource: DataSource) => dialectOf(dataSource).family === 'postgres';

const VERIFICATION_PORTS = [
  MfaAccountStore,
  MfaAuthenticatorStore,
  MfaBackupCodeStore,
  MfaPasskeyStore,
  MfaUsageStore,
] as const;

const VERIFICATION_STORE: Provider = {
  provide: MfaVerificationStore,
  inject: [MFA_DATA_SOURCE, MFA_RESOLVED_OPTIONS, ...VERIFICATION_PORTS],
  useFactory: (
    dataSource: DataSource,
    options: ResolvedMfaOptions,
    accounts: MfaAccountStore,
    authenticators: MfaAuthenticatorStore,
    backupCodes: MfaBackupCodeStore,
    passkeys: MfaPasskeyStore,
    usage: MfaUsageStore,
  ) =>
    isPostgres(dataSource)
      ? new PostgresVerificationStore(dataSource, options)
      : new StepwiseVerificationStore({ accounts, authenticators, backupCodes, passkeys, usage }),
};

const HOST_TABLES_PROVIDER: Provider = {
  provide: HOST_TABLES,
  inject: [MFA_DATA_SOURCE],
  useFactory: (dataSource: DataSource): HostTables => ({
    largestPurge: dialectOf(dataSource).largestPurge,
    purge: (table, nowMs, limit) => purgeExpiring(dataSource, table as MfaExpiringTable, nowMs, limit),
  }),
};

/** The storage ports on the DataSource of the given token. */
export function persistenceProviders(dataSourceToken: InjectionToken): Provider[] {
  const inject = [MFA_DATA_SOURCE, MFA_RESOLVED_OPTIONS];
  return [
    { provide: MFA_DATA_SOURCE, useExisting: dataSourceToken },
    ...STORES.map(([port, Store, FastStore]) => ({
      provide: port,
      inject,
      useFactory: (dataSource: DataSource, options: ResolvedMfaOptions) =>
        new (FastStore && isPostgres(dataSource) ? FastStore : Store)(dataSource, options),
    })),
    VERIFICATION_STORE,
    PersistenceCheck,
    HOST_TABLES_PROVIDER,
  ];
}
