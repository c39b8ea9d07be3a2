import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MfaCleanupService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/databases.js';
import { describeServers } from '../support/servers.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** Some transaction (a migration, a backup, a console) holds one row for as long as the test lasts. */
describeServers('a cleanup that meets a locked row on', (kind) => {
  let database: TestDatabase;
  let holder: HostApp;
  let host: HostApp;
  beforeEach(async () => {
    database = await createDatabase(kind);
    const options = { ...FEW_CODES, timeouts: { statementSeconds: 1 } };
    holder = await startHostApp({ on: database, options });
    host = await startHostApp({ on: database, options });
  });
  afterEach(async () => {
    await holder.close();
    await database.drop();
  });

  /** Locks what the SELECT finds; the result ends the transaction. */
  async function lock(select: string): Promise<() => Promise<void>> {
    const runner = holder.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query(`${select} FOR UPDATE`);
    return async () => {
      await runner.rollbackTransaction();
      await runner.release();
    };
  }

  const closesWithin = (ms: number) =>
    Promise.race([host.app.close().then(() => true), sleep(ms, false, { ref: false })]);

  const authenticatorsOf = async ({ dataSource }: { dataSource: DataSource }) => {
    const rows: { user_id: string }[] = await dataSource.query(
      'SELECT user_id FROM mfa_authenticator ORDER BY user_id',
    );
    return rows.map(({ user_id }) => user_id);
  };

  /** Setups that nobody confirmed, the first one the oldest. */
  async function abandonSetups(...userIds: string[]): Promise<void> {
    for (const userId of userIds) {
      await new Client(host, userId).post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      host.clock.advance(1);
    }
    host.clock.advance(21 * 60);
  }

  it('S61 continues with the other accounts, and does not delay the shutdown', async () => {
    await abandonSetups('held', 'other', 'third');
    const unlock = await lock(`SELECT user_id FROM mfa_account WHERE user_id = 'held'`);
    const purged = host.app.get(MfaCleanupService, { strict: false }).purge();
    expect(await purged).toMatchObject({ authenticators: 2 });
    expect(await authenticatorsOf(holder)).toEqual(['held']);

    const closed = await closesWithin(5_000);
    await unlock();
    expect(closed).toBe(true);
  });

  it('S61 cleans the locked account in the next run', async () => {
    await abandonSetups('held', 'other');
    const unlock = await lock(`SELECT user_id FROM mfa_account WHERE user_id = 'held'`);
    const cleanup = host.app.get(MfaCleanupService, { strict: false });
    await cleanup.purge();
    await unlock();
    await sleep(200);
    await cleanup.purge();
    expect(await authenticatorsOf(holder)).toEqual([]);
    await host.close();
  });

  it('S61 does not keep the application from closing while it waits for the lock', async () => {
    await abandonSetups('held', 'other');
    const unlock = await lock(`SELECT user_id FROM mfa_account WHERE user_id = 'held'`);
    const purged = host.app.get(MfaCleanupService, { strict: false }).purge();
    await sleep(200);
    const closed = await closesWithin(5_000);
    await unlock();
    expect(closed).toBe(true);
    await purged;
  });

  it('S61 cleans the other tables when a row of one is locked', async () => {
    await abandonSetups('other');
    await holder.dataSource.query(
      `INSERT INTO mfa_usage (user_id, kind, item, spent_at, expires_at) VALUES ('held', 'totp', 'x', 1, 2)`,
    );
    const unlock = await lock(`SELECT user_id FROM mfa_usage WHERE user_id = 'held'`);
    const purged = host.app.get(MfaCleanupService, { strict: false }).purge();
    await expect(purged).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect(await authenticatorsOf(holder)).toEqual([]);
    await unlock();
    await host.close();
  });
});
