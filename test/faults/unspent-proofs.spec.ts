import { afterEach, expect, it } from 'vitest';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { describeServers } from '../support/servers.js';

/** Nothing can be spent for a while: the usage table is locked against writes, as while an index is created. */
describeServers('right codes that cannot be spent on', (kind) => {
  let host: HostApp;
  afterEach(() => host.close());

  async function start(dataSource: Record<string, unknown> = {}) {
    const options = { ...FEW_CODES, timeouts: { statementSeconds: 1 } };
    host = await startHostApp({ database: kind, dataSource, options });
  }

  async function whileLocked<T>(act: () => Promise<T>): Promise<T> {
    const runner = host.dataSource.createQueryRunner();
    const sql =
      kind === 'postgres'
        ? ['BEGIN', 'LOCK TABLE mfa_usage IN SHARE MODE', 'ROLLBACK']
        : ['SET @locked = 1', 'LOCK TABLES mfa_usage READ', 'UNLOCK TABLES'];
    await runner.query(sql[0]!);
    await runner.query(sql[1]!);
    try {
      return await act();
    } finally {
      await runner.query(sql[2]!);
      await runner.release();
    }
  }

  const failures = async (userId: string) => {
    const found = await host.app.get(MfaAccountStore, { strict: false }).load(userId);
    return found?.account.budgets.totp.failures;
  };

  async function expectOpen(user: Client, code: () => string) {
    await expect.poll(() => failures(user.userId)).toBe(0);
    host.clock.advance(30);
    await user.verify(await user.login(), code()).expect(200);
  }

  it('S70 do not lock the owner out where the statement outlives its deadline', async () => {
    await start();
    const user = new Client(host, 'late');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    const statuses = await whileLocked(async () => {
      const sends = Array.from({ length: 5 }, () => user.verify(token, authenticator.code()));
      return (await Promise.all(sends)).map(({ status }) => status);
    });
    expect(statuses).toEqual(Array(5).fill(503));
    await expectOpen(user, () => authenticator.code());
  });

  it.runIf(kind === 'postgres')('S70 do not lock the owner out where the server cuts the statement off', async () => {
    await start({ extra: { max: 20, options: '-c lock_timeout=100ms' } });
    const user = new Client(host, 'cut-off');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    await whileLocked(async () => {
      for (let attempt = 0; attempt < 6; attempt += 1) {
        expect((await user.verify(token, authenticator.code())).status).toBe(503);
        await expect.poll(() => failures(user.userId)).toBe(0);
      }
    });
    await expectOpen(user, () => authenticator.code());
  });
});
