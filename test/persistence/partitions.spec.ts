import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { entry, type Stores } from './rows.js';
import { describeVerification } from './verification-contract.js';

const NOW = 1_800_000_000_000;
const PARTITIONS = 3;

/** Primary keys with the partition key, as PostgreSQL requires. */
const KEYS = {
  mfa_account: 'user_id',
  mfa_authenticator: 'user_id, id',
  mfa_backup_code: 'user_id, id',
  mfa_usage: 'user_id, kind, item',
};

/** As docs/performance.md tells for one server that is not enough: every table divided by the hash of the user. */
async function partition(source: DataSource): Promise<void> {
  for (const [table, key] of Object.entries(KEYS)) {
    await source.query(`ALTER TABLE ${table} RENAME TO whole`);
    await source.query(`CREATE TABLE ${table} (LIKE whole INCLUDING DEFAULTS) PARTITION BY HASH (user_id)`);
    await source.query(`ALTER TABLE ${table} ADD PRIMARY KEY (${key})`);
    for (let part = 0; part < PARTITIONS; part++) {
      const values = `FOR VALUES WITH (MODULUS ${PARTITIONS}, REMAINDER ${part})`;
      await source.query(`CREATE TABLE ${table}_${part} PARTITION OF ${table} ${values}`);
    }
    await source.query('DROP TABLE whole');
  }
}

describe.skipIf(!testDatabases.includes('postgres'))('tables of postgres that are partitioned by user', () => {
  let database: TestDatabase;
  let source: DataSource;
  let stores: Stores;
  let verification: PostgresVerificationStore;

  beforeAll(async () => {
    database = await createDatabase('postgres');
    source = await openMfaDataSource(database);
    await partition(source);
    stores = typeOrmStores(source);
    verification = new PostgresVerificationStore(source);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  describeVerification(() => ({ ...stores, verification }));

  it('S27 S61 lose expired rows to the cleanup, and no row of another partition', async () => {
    const users = Array.from({ length: 30 }, (_, index) => `user-${index}`);
    for (const [index, userId] of users.entries()) {
      await stores.accounts.open(userId, NOW);
      const entries = [{ ...entry('token'), expiresAtMs: index % 2 ? NOW - 1 : NOW + 1 }];
      expect(await stores.usage.spend({ userId, securityStamp: NOW, entries, nowMs: NOW })).toBe(true);
    }
    for (let run = 0; run < users.length; run++) await stores.usage.purge(NOW, 4);
    const left = await Promise.all(users.map(async (userId) => (await stores.usage.list(userId)).length));
    expect(left).toEqual(users.map((_, index) => (index % 2 ? 0 : 1)));
  });

  it('S27 S28 accept one of 20 parallel uses of one code', async () => {
    const userId = 'racer';
    await stores.accounts.open(userId, NOW);
    const entries = [entry('token')];
    const all = await Promise.all(
      Array.from({ length: 20 }, () => stores.usage.spend({ userId, securityStamp: NOW, entries, nowMs: NOW })),
    );
    expect(all.filter(Boolean)).toHaveLength(1);
  });
});
