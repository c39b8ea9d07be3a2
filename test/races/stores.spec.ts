import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { randomUUID } from 'node:crypto';
import { DEFAULT_ATTEMPT_POLICY } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { TypeOrmAccountStore, TypeOrmUsageStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;

/** The results of `count` calls in flight at once, and how many of them were `true`. */
async function race(count: number, call: (position: number) => Promise<boolean>): Promise<number> {
  const results = await Promise.all(Array.from({ length: count }, (_, position) => call(position)));
  return results.filter(Boolean).length;
}

describe.each(testDatabases)('stores under parallel use on %s', (kind) => {
  let database: TestDatabase;
  /** Two DataSources, as two instances of the host would have. */
  let instances: DataSource[];
  let accounts: TypeOrmAccountStore[];
  let usage: TypeOrmUsageStore[];
  const at = <T>(stores: T[], position: number) => stores[position % stores.length] as T;

  beforeAll(async () => {
    database = await createDatabase(kind);
    instances = [await openMfaDataSource(database), await openMfaDataSource(database)];
    accounts = instances.map((instance) => new TypeOrmAccountStore(instance));
    usage = instances.map((instance) => new TypeOrmUsageStore(instance));
  });

  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.destroy()));
    await database.drop();
  });

  async function openAccount(): Promise<string> {
    const userId = `user-${randomUUID()}`;
    await at(accounts, 0).open(userId, NOW);
    return userId;
  }

  const entry = (kind: 'totp' | 'backup_code' | 'token', item: string = randomUUID()) => ({
    kind,
    item,
    expiresAtMs: NOW + 60_000,
  });

  it('S28 spend one code once in 50 parallel submissions from two instances', async () => {
    for (let round = 0; round < 10; round++) {
      const userId = await openAccount();
      const code = entry('totp');
      const won = await race(50, (position) =>
        at(usage, position).spend({ userId, securityStamp: NOW, entries: [code], nowMs: NOW }),
      );
      expect(won).toBe(1);
    }
  });

  it('S32 spend one backup code once in 50 parallel uses', async () => {
    const userId = await openAccount();
    await at(accounts, 0).commit(userId, NOW, { backupSetId: 'set' });
    const code = { ...entry('backup_code'), expiresAtMs: null };
    const won = await race(50, (position) =>
      at(usage, position).spend({ userId, securityStamp: NOW, backupSetId: 'set', entries: [code], nowMs: NOW }),
    );
    expect(won).toBe(1);
  });

  it('S31 spend the same code value for every user', async () => {
    const userIds = await Promise.all(Array.from({ length: 20 }, openAccount));
    const code = entry('totp');
    const won = await race(20, (position) =>
      at(usage, position).spend({
        userId: userIds[position] as string,
        securityStamp: NOW,
        entries: [code],
        nowMs: NOW,
      }),
    );
    expect(won).toBe(20);
  });

  it('S34 spend one token once with 20 parallel codes, and the other codes stay valid', async () => {
    for (let round = 0; round < 10; round++) {
      const userId = await openAccount();
      const token = entry('token');
      const codes = Array.from({ length: 20 }, () => entry('totp'));
      const spend = (position: number, entries: ReturnType<typeof entry>[]) =>
        at(usage, position).spend({ userId, securityStamp: NOW, entries, nowMs: NOW });
      // Every other one names them the other way round, which invites deadlocks.
      const won = await race(20, (position) => {
        const pair = [codes[position]!, token];
        return spend(position, position % 2 === 0 ? pair : pair.toReversed());
      });
      expect(won).toBe(1);
      expect(await race(20, (position) => spend(position, [codes[position]!]))).toBe(19);
    }
  });

  it('S34 spend one code for one of two tokens', async () => {
    for (let round = 0; round < 10; round++) {
      const userId = await openAccount();
      const code = entry('totp');
      const tokens = [entry('token'), entry('token')];
      const won = await race(20, (position) =>
        at(usage, position).spend({
          userId,
          securityStamp: NOW,
          entries: [code, at(tokens, position >> 1)],
          nowMs: NOW,
        }),
      );
      expect(won).toBe(1);
      expect(await race(2, (position) => spendToken(userId, tokens[position]!))).toBe(1);
    }
  });

  const spendToken = (userId: string, token: ReturnType<typeof entry>) =>
    at(usage, 0).spend({ userId, securityStamp: NOW, entries: [token], nowMs: NOW });

  it('S50 reserve at most the budget of 100 parallel guesses', async () => {
    const userId = await openAccount();
    const won = await race(100, (position) =>
      at(accounts, position).reserve({ userId, securityStamp: NOW, factor: 'totp', policy, nowMs: NOW }),
    );
    expect(won).toBe(policy.maxFailures);
    const loaded = await at(accounts, 0).load(userId);
    expect(loaded?.account.budgets.totp).toMatchObject({
      failures: policy.maxFailures,
      lockedUntilMs: NOW + policy.lockMs,
    });
  });

  it('S56 count each factor separately', async () => {
    const userId = await openAccount();
    const factors = ['totp', 'backup_code'] as const;
    const won = await race(50, (position) =>
      at(accounts, position).reserve({
        userId,
        securityStamp: NOW,
        factor: factors[position % 2]!,
        policy,
        nowMs: NOW,
      }),
    );
    expect(won).toBe(2 * policy.maxFailures);
  });

  it('S14 S17 accept one of 30 parallel commits', async () => {
    const userId = await openAccount();
    const won = await race(30, (position) => at(accounts, position).commit(userId, NOW, { pendingId: `p${position}` }));
    expect(won).toBe(1);
    expect((await at(accounts, 0).load(userId))?.account.rowVersion).toBe(NOW + 1);
  });

  it('S14 open one account in 30 parallel setups', async () => {
    const userId = `user-${randomUUID()}`;
    await Promise.all(Array.from({ length: 30 }, (_, position) => at(accounts, position).open(userId, NOW + position)));
    expect((await at(accounts, 0).load(userId))?.account.activeFactors).toEqual([]);
  });

  it('S33 order a spending and a regeneration one after the other', async () => {
    for (let round = 0; round < 20; round++) {
      const userId = await openAccount();
      await at(accounts, 0).commit(userId, NOW, { backupSetId: 'old' });
      const spend = () =>
        at(usage, 0).spend({
          userId,
          securityStamp: NOW,
          backupSetId: 'old',
          entries: [entry('backup_code')],
          nowMs: NOW,
        });
      const regenerated = at(accounts, 1).commit(userId, NOW + 1, { backupSetId: 'new' });
      await spend();
      expect(await regenerated).toBe(true);
      expect(await spend()).toBe(false);
    }
  });

  it('S61 purge each row once from several instances', async () => {
    const userId = await openAccount();
    const entries = Array.from({ length: 400 }, () => ({ ...entry('totp'), expiresAtMs: NOW - 1_000 }));
    await at(usage, 0).spend({ userId, securityStamp: NOW, entries, nowMs: NOW });
    let purged = 0;
    const drain = async (store: TypeOrmUsageStore) => {
      for (let removed = 1; removed > 0; purged += removed) removed = await store.purge(NOW - 1_000, 30);
    };
    await Promise.all([...usage, ...usage].map(drain));
    expect(purged).toBe(400);
  });
});
