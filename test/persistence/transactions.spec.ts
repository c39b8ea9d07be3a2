import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataSource, type DataSourceOptions } from 'typeorm';
import {
  addTransactionalDataSource,
  initializeTransactionalContext,
  runInTransaction,
  StorageDriver,
} from 'typeorm-transactional';
import { DEFAULT_ATTEMPT_POLICY } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { MFA_ENTITIES } from '../../libs/mfa/src/persistence/entities/index.js';
import { TypeOrmAccountStore, TypeOrmUsageStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, type TestDatabase } from '../support/databases.js';
import { describeServers } from '../support/servers.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;
const POOL_SIZE = 3;

/** A statement of the host, inside its transaction. */
type Note = (statement: string) => Promise<unknown>;

initializeTransactionalContext({ storageDriver: StorageDriver.ASYNC_LOCAL_STORAGE });

describeServers('transactions of the host on', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let accounts: TypeOrmAccountStore;
  let usage: TypeOrmUsageStore;

  beforeAll(async () => {
    database = await createDatabase(kind);
    await (await openMfaDataSource(database)).destroy();
    const options = { ...database.options, entities: MFA_ENTITIES, poolSize: POOL_SIZE } as DataSourceOptions;
    dataSource = addTransactionalDataSource({ name: kind, dataSource: new DataSource(options) });
    await dataSource.initialize();
    await dataSource.query('CREATE TABLE host_note (id varchar(36) PRIMARY KEY)');
    accounts = new TypeOrmAccountStore(dataSource, { acquireTimeoutMs: 200 });
    usage = new TypeOrmUsageStore(dataSource, { acquireTimeoutMs: 200 });
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  async function openAccount(): Promise<string> {
    const userId = randomUUID();
    await accounts.open(userId, NOW);
    return userId;
  }

  const rollingBack = new Error('The host rolls back');

  /** A note of the host, one attempt and one spending; then what ends the transaction around them. */
  async function attempt(note: Note, userId: string, item: string): Promise<void> {
    await note(`INSERT INTO host_note VALUES ('${item}')`);
    expect(await accounts.reserve({ userId, securityStamp: NOW, factor: 'totp', policy, nowMs: NOW })).toBe(true);
    const entries = [{ kind: 'token', item, expiresAtMs: NOW } as const];
    expect(await usage.spend({ userId, securityStamp: NOW, entries, nowMs: NOW })).toBe(true);
    throw rollingBack;
  }

  it.each([
    [
      'typeorm-transactional',
      (work: (note: Note) => Promise<void>) =>
        runInTransaction(() => work((statement) => dataSource.query(statement)), { connectionName: kind }),
    ],
    [
      'a transaction of the DataSource',
      (work: (note: Note) => Promise<void>) =>
        dataSource.transaction((manager) => work((statement) => manager.query(statement))),
    ],
  ])('S34b S52 of kind %s roll back, and the spent token and the attempt stay', async (_, inTransaction) => {
    const [userId, item] = [await openAccount(), randomUUID()];
    await expect(inTransaction((note) => attempt(note, userId, item))).rejects.toBe(rollingBack);
    const loaded = await accounts.load(userId, item);
    expect(loaded?.tokenSpent).toBe(true);
    expect(loaded?.account.budgets.totp.failures).toBe(1);
    expect(await dataSource.query(`SELECT id FROM host_note WHERE id = '${item}'`)).toEqual([]);
  });

  it('may exhaust the pool: calls throw MFA_BUSY within the deadline, and the pool recovers', async () => {
    const userId = await openAccount();
    const hogs = Array.from({ length: POOL_SIZE }, () => dataSource.createQueryRunner());
    await Promise.all(hogs.map((hog) => hog.connect()));

    const startedMs = performance.now();
    const waiting = Array.from({ length: 10 }, () => accounts.load(userId));
    const outcomes = await Promise.allSettled(waiting);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    const busy = { status: 'rejected', reason: { code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } } };
    expect(outcomes).toMatchObject(outcomes.map(() => busy));

    await Promise.all(hogs.map((hog) => hog.release()));
    // Each of the ten late connections was given back, or these would wait for ever.
    for (let round = 0; round < 3 * POOL_SIZE; round++) expect(await accounts.load(userId)).not.toBeNull();
    const held = Array.from({ length: POOL_SIZE }, () => dataSource.createQueryRunner());
    await Promise.all(held.map((runner) => runner.connect()));
    await Promise.all(held.map((runner) => runner.release()));
  });

  it('do not keep the connection of a statement that fails', async () => {
    for (let round = 0; round < 3 * POOL_SIZE; round++) {
      await expect(accounts.open('x'.repeat(300), NOW)).rejects.toThrow();
    }
    expect(await accounts.load(await openAccount())).not.toBeNull();
  });

  it('S30 may lock a row: calls wait for it, and accept nothing until then', async () => {
    const userId = await openAccount();
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query(`UPDATE mfa_account SET row_version = row_version + 1 WHERE user_id = '${userId}'`);
    const commit = accounts.commit(userId, NOW, { pendingId: 'late' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await holder.commitTransaction();
    await holder.release();
    expect(await commit).toBe(false);
  });
});
