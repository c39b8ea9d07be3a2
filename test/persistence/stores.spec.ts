import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { PostgresAccountStore } from '../../libs/mfa/src/persistence/postgres/postgres-account.store.js';
import { StatementRunner } from '../../libs/mfa/src/persistence/statements/statement-runner.js';
import { snapshotQuery } from '../../libs/mfa/src/persistence/stores/account-sql.js';
import { toSnapshot } from '../../libs/mfa/src/persistence/stores/row-mappers.js';
import { InMemoryMfaState } from '../support/in-memory-state.js';
import { InMemoryAccountStore } from '../support/in-memory-account-store.js';
import { InMemoryAuthenticatorStore, InMemoryPasskeyStore } from '../support/in-memory-credential-stores.js';
import { InMemoryDeviceStore } from '../support/in-memory-device-store.js';
import { InMemoryBackupCodeStore, InMemoryPolicySeenStore, InMemoryUsageStore } from '../support/in-memory-stores.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { StepwiseVerificationStore } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import { authenticator, type Stores } from './rows.js';
import { describeStores } from './store-contract.js';
import { describeVerification } from './verification-contract.js';

const stepwise = (stores: () => Stores) =>
  describeVerification(() => ({ ...stores(), verification: new StepwiseVerificationStore(stores()) }));

describe('stores in memory', () => {
  const state = new InMemoryMfaState();
  const stores = {
    accounts: new InMemoryAccountStore(state),
    authenticators: new InMemoryAuthenticatorStore(state),
    backupCodes: new InMemoryBackupCodeStore(state),
    passkeys: new InMemoryPasskeyStore(state),
    usage: new InMemoryUsageStore(state),
    policiesSeen: new InMemoryPolicySeenStore(state),
    devices: new InMemoryDeviceStore(state),
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

  it('reads the account alone in one statement', async () => {
    await stores.accounts.open('ann', 1);
    await stores.authenticators.add(authenticator('ann'));
    const { records } = await new StatementRunner(dataSource).run(snapshotQuery({ userId: 'ann', rows: 'none' }));
    const alone = await stores.accounts.load('ann');
    expect(toSnapshot(records, { userId: 'ann', rows: 'none' })).toEqual({
      ...alone,
      ...{ authenticators: [], backupCodes: [], passkeys: [] },
    });
  });

  describe.each(kind === 'postgres' ? ['by name'] : [])('with statements that are sent %s', () => {
    const named = { accounts: undefined as unknown as PostgresAccountStore };
    beforeAll(() => {
      named.accounts = new PostgresAccountStore(dataSource);
    });
    describeStores(() => ({ ...stores, ...named }));
  });

  describe.each(kind === 'postgres' ? ['one statement'] : [])('verification by %s a step', () => {
    // One store for all of them, as in an application: it keeps its statements.
    let verification: PostgresVerificationStore;
    beforeAll(() => {
      verification = new PostgresVerificationStore(dataSource);
    });
    describeVerification(() => ({ ...stores, verification }));
  });
});
