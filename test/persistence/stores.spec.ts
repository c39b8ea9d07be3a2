import { afterAll, beforeAll, describe } from 'vitest';
import type { DataSource } from 'typeorm';
import {
  TypeOrmAccountStore,
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmUsageStore,
} from '../../libs/mfa/src/persistence/stores/index.js';
import { InMemoryMfaState } from '../../libs/mfa/src/testing/in-memory-state.js';
import {
  InMemoryAccountStore,
  InMemoryAuthenticatorStore,
  InMemoryBackupCodeStore,
  InMemoryUsageStore,
} from '../../libs/mfa/src/testing/in-memory-stores.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';
import { describeStores, type Stores } from './store-contract.js';

describe('stores in memory', () => {
  const state = new InMemoryMfaState();
  describeStores(() => ({
    accounts: new InMemoryAccountStore(state),
    authenticators: new InMemoryAuthenticatorStore(state),
    backupCodes: new InMemoryBackupCodeStore(state),
    usage: new InMemoryUsageStore(state),
  }));
});

describe.each(testDatabases)('stores on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let stores: Stores;

  beforeAll(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    stores = {
      accounts: new TypeOrmAccountStore(dataSource),
      authenticators: new TypeOrmAuthenticatorStore(dataSource),
      backupCodes: new TypeOrmBackupCodeStore(dataSource),
      usage: new TypeOrmUsageStore(dataSource),
    };
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  describeStores(() => stores);
});
