import { afterAll, beforeAll, describe } from 'vitest';
import type { DataSource } from 'typeorm';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { InMemoryMfaState } from '../support/in-memory-state.js';
import { InMemoryAccountStore } from '../support/in-memory-account-store.js';
import {
  InMemoryAuthenticatorStore,
  InMemoryBackupCodeStore,
  InMemoryUsageStore,
} from '../support/in-memory-stores.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { StepwiseVerificationStore } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import { describeStores, type Stores } from './store-contract.js';
import { describeVerification } from './verification-contract.js';

const stepwise = (stores: () => Stores) =>
  describeVerification(() => ({ ...stores(), verification: new StepwiseVerificationStore(stores()) }));

describe('stores in memory', () => {
  const state = new InMemoryMfaState();
  const stores = {
    accounts: new InMemoryAccountStore(state),
    authenticators: new InMemoryAuthenticatorStore(state),
    backupCodes: new InMemoryBackupCodeStore(state),
    usage: new InMemoryUsageStore(state),
  };
  describeStores(() => stores);
  describe('verification', () => stepwise(() => stores));
});

describe.each(testDatabases)('stores on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let stores: Stores;

  beforeAll(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    stores = typeOrmStores(dataSource);
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  describeStores(() => stores);
  describe('verification step by step', () => stepwise(() => stores));
  describe.each(kind === 'postgres' ? ['one statement'] : [])('verification by %s a step', () => {
    // One store for all of them, as in an application: it keeps its statements.
    let verification: PostgresVerificationStore;
    beforeAll(() => {
      verification = new PostgresVerificationStore(dataSource);
    });
    describeVerification(() => ({ ...stores, verification }));
  });
});
