import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import { device, hash, type Stores } from '../persistence/rows.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { inEachSession } from '../support/mariadb-sessions.js';
import { typeOrmStores } from '../support/typeorm-stores.js';

const NOW = 1_800_000_000_000;

/** READ COMMITTED is the default of PostgreSQL, REPEATABLE READ that of MariaDB. */
const SERVERS = (
  [
    ['postgres', 'READ COMMITTED'],
    ['mariadb', 'REPEATABLE READ'],
    ['mariadb', 'READ COMMITTED'],
  ] as const
).filter(([kind]) => testDatabases.includes(kind));

describe.each(SERVERS)('a statement on trusted devices that waits on %s, %s', (kind, isolation) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let stores: Stores;
  let userId: string;

  beforeAll(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    if (kind === 'mariadb') inEachSession(dataSource, `SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
    stores = typeOrmStores(dataSource);
    // With enough devices of others, each statement reads those of its user by an index.
    for (let i = 0; i < 100; i += 1) await added({ userId: `other-${i % 50}` });
    await dataSource.query(kind === 'mariadb' ? 'ANALYZE TABLE mfa_device' : 'ANALYZE');
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  async function added(rest: Partial<TrustedDevice> = {}): Promise<TrustedDevice> {
    const row = device(userId, rest);
    await stores.devices.add(row);
    return row;
  }

  async function newUser(): Promise<void> {
    userId = `user-${randomUUID()}`;
    await stores.accounts.open(userId, NOW);
  }

  /** Sends a statement while an uncommitted change holds its row, does what comes `meanwhile`, and then commits the change. */
  async function afterChange<T>(change: string, send: () => Promise<T>, meanwhile?: () => Promise<unknown>) {
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query(change);
    let isPending = true;
    const sent = send().finally(() => (isPending = false));
    await sleep(100);
    const didWait = isPending;
    await meanwhile?.();
    await holder.commitTransaction();
    await holder.release();
    return { result: await sent, didWait };
  }

  const WRITES: [string, (row: TrustedDevice) => Promise<boolean>][] = [
    ['rotation', (row) => stores.devices.rotate(row, hash('next'), NOW + 5)],
    ['use', (row) => stores.devices.noteUse(row, row.secretHash, NOW + 5)],
  ];

  it.each(WRITES)('S111 trusts no device whose security stamp rose meanwhile: %s', async (_, write) => {
    await newUser();
    const row = await added();
    let isRaised = false;
    let raising: Promise<unknown> | undefined;
    let wasRaised: boolean | undefined;
    const { result: isTrusted } = await afterChange(
      `UPDATE mfa_device SET label = 'other' WHERE id = '${row.id}'`,
      () => write(row),
      async () => {
        raising = stores.accounts.invalidate(userId).then(() => (isRaised = true));
        await Promise.race([raising, sleep(100)]);
        wasRaised = isRaised;
      },
    );
    await raising;
    expect({ isTrusted, wasRaised }).not.toEqual({ isTrusted: true, wasRaised: true });
  });

  it.each(WRITES)('S111 trusts no device whose security stamp rises in a change before it: %s', async (_, write) => {
    await newUser();
    const row = await added();
    const change = `UPDATE mfa_account SET security_stamp = security_stamp + 1 WHERE user_id = '${userId}'`;
    expect(await afterChange(change, () => write(row))).toEqual({ result: false, didWait: true });
    expect(await stores.devices.find(userId, row.lookupHash)).toEqual(row);
  });

  it.each(WRITES)('S111 trusts a device whose account changed otherwise: %s', async (_, write) => {
    await newUser();
    const row = await added();
    const change = `UPDATE mfa_account SET row_version = row_version + 1 WHERE user_id = '${userId}'`;
    expect(await afterChange(change, () => write(row))).toEqual({ result: true, didWait: true });
  });

  const left = async () => new Set((await stores.devices.list(userId)).map(({ id }) => id));

  /** A device that comes in the order of `n` by each index. */
  const numbered = (n: number) =>
    added({ id: `${n}${randomUUID().slice(1)}`, lookupHash: String(n).repeat(64), lastUsedAtMs: NOW + n });

  it('S111 removes no device that is added meanwhile', async () => {
    await newUser();
    await numbered(1);
    const second = await numbered(2);
    let adding: Promise<unknown> | undefined;
    await afterChange(
      `SELECT id FROM mfa_device WHERE id = '${second.id}' ${kind === 'mariadb' ? 'LOCK IN SHARE MODE' : 'FOR SHARE'}`,
      () => stores.devices.trim(second, { max: 10, nowMs: NOW }),
      async () => {
        adding = numbered(3); // it waits, too, where the statement locks what is between the rows
        await Promise.race([adding, sleep(100)]);
      },
    );
    await adding;
    expect((await left()).size).toBe(3);
  });

  it('S112 removes no device that a login used meanwhile', async () => {
    await newUser();
    const [oldest, , row] = [await numbered(1), await numbered(2), await numbered(3)];
    await afterChange(
      `UPDATE mfa_device SET last_used_at = ${NOW + 9}, secret_hash = 'next' WHERE id = '${oldest.id}'`,
      () => stores.devices.trim(row, { max: 2, nowMs: NOW }),
    );
    expect(await left()).toContain(oldest.id);
    // The next login removes what is too much.
    await stores.devices.trim(row, { max: 2, nowMs: NOW });
    expect(await left()).toEqual(new Set([oldest.id, row.id]));
  });
});
