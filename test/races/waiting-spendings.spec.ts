import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { DEFAULT_ATTEMPT_POLICY } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';
import type { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { StepwiseVerificationStore } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import { backupCode } from '../persistence/rows.js';
import { createDatabase, openMfaDataSource, type TestDatabase } from '../support/databases.js';
import { describeServers } from '../support/servers.js';
import { typeOrmStores } from '../support/typeorm-stores.js';

const NOW = 1_800_000_000_000;

/** The tests spend the first one, two or three of them at once. */
const ENTRIES: UsageEntry[] = [
  { kind: 'token', item: 't', expiresAtMs: NOW },
  { kind: 'totp', item: 'c', expiresAtMs: NOW },
  { kind: 'backup_code', item: 'b', expiresAtMs: null },
];

/** PostgreSQL checks the conditions of a statement that waited again, on the row as it was committed. */
describeServers('a spending that waits for a change of the account on', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let stores: ReturnType<typeof typeOrmStores>;
  let verification: MfaVerificationStore;

  beforeAll(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    stores = typeOrmStores(dataSource);
    verification =
      kind === 'postgres' ? new PostgresVerificationStore(dataSource) : new StepwiseVerificationStore(stores);
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  /** Sends the spending while an uncommitted change holds the row, and then commits the change. */
  async function afterChange(set: string, spend: (userId: string) => Promise<boolean>) {
    const userId = randomUUID();
    await stores.accounts.open(userId, NOW);
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query(`UPDATE mfa_account SET ${set} WHERE user_id = '${userId}'`);
    let isPending = true;
    const spending = spend(userId).finally(() => (isPending = false));
    await sleep(100);
    expect(isPending).toBe(true);
    await holder.commitTransaction();
    await holder.release();
    return { isSpent: await spending, rows: await stores.usage.list(userId) };
  }

  const spendings = [1, 2, 3].flatMap((count) => {
    const spending = { securityStamp: NOW, entries: ENTRIES.slice(0, count), nowMs: NOW };
    const completion = { ...spending, use: null, policy: DEFAULT_ATTEMPT_POLICY };
    return [
      { name: `spend of ${count}`, spend: (userId: string) => stores.usage.spend({ ...spending, userId }) },
      {
        name: `counted proof of ${count}`,
        spend: (userId: string) =>
          verification.spendAndSettle({ ...completion, userId, budget: 'totp', endsRecovery: false }),
      },
      ...[true, false].map((endsRecovery) => ({
        name: `uncounted proof of ${count}${endsRecovery ? ' that ends a recovery code' : ''}`,
        spend: (userId: string) => verification.spendAndSettle({ ...completion, userId, budget: null, endsRecovery }),
      })),
    ].map((each) => ({ ...each, items: spending.entries.map(({ item }) => item).sort() }));
  });

  it.each(spendings)('S34 spends all entries where the security stamp stays: $name', async ({ spend, items }) => {
    const { isSpent, rows } = await afterChange('row_version = row_version + 1', spend);
    expect(isSpent).toBe(true);
    expect(rows.map(({ item }) => item).sort()).toEqual(items);
  });

  it.each(spendings)('S43 spends nothing where the security stamp changed: $name', async ({ spend }) => {
    const { isSpent, rows } = await afterChange('security_stamp = security_stamp + 1', spend);
    expect(isSpent).toBe(false);
    expect(rows).toEqual([]);
  });

  it('counts the backup codes right after a wait for another spending', async () => {
    const userId = randomUUID();
    const setId = randomUUID();
    const codes = [backupCode(userId, setId), backupCode(userId, setId), backupCode(userId, setId)];
    await stores.accounts.open(userId, NOW);
    await stores.backupCodes.add(codes);
    await stores.accounts.commit(userId, NOW, { activeFactors: [{ type: 'totp', id: 'x' }], backupSetId: setId });
    const spent = ({ id }: BackupCode) =>
      `INSERT INTO mfa_usage (user_id, kind, item, spent_at) VALUES ('${userId}', 'backup_code', '${id}', ${NOW})`;
    await dataSource.query(spent(codes[0]!));

    // A login by another code.
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query(`UPDATE mfa_account SET backup_codes_left = backup_codes_left - 1 WHERE user_id = '${userId}'`);
    await holder.query(spent(codes[1]!));
    const counted = stores.backupCodes.recount(userId);
    await sleep(100);
    await holder.commitTransaction();
    await holder.release();
    await counted;
    const [row] = await dataSource.query(`SELECT backup_codes_left FROM mfa_account WHERE user_id = '${userId}'`);
    expect(Number(row.backup_codes_left)).toBe(1);
  });
});
