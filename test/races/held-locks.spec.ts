import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { describeServers } from '../support/servers.js';
import { startHostApp, type HostApp } from '../support/host-app.js';

describeServers('a row that stays locked on', (kind) => {
  let host: HostApp;
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  beforeAll(async () => {
    process.on('unhandledRejection', note);
    const pool = kind === 'postgres' ? { extra: { max: 4 } } : { extra: { connectionLimit: 4 } };
    host = await startHostApp({
      database: kind,
      dataSource: pool,
      options: { timeouts: { statementSeconds: 1, connectionSeconds: 1 } },
    });
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await host.close();
  });

  /** As a backup or a migration of the host might do it. */
  async function whileLocked(userId: string, act: () => Promise<void>): Promise<void> {
    const runner = host.dataSource.createQueryRunner();
    await runner.connect();
    await runner.startTransaction();
    await runner.query(`SELECT user_id FROM mfa_account WHERE user_id = '${userId}' FOR UPDATE`);
    try {
      await act();
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  }

  it('S30 S34a causes 503 within the deadline, nothing is accepted late, and no connection is lost', async () => {
    const user = new Client(host, 'held');
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    const code = authenticator.code();
    const started = Date.now();
    await whileLocked(user.userId, async () => {
      // More than the pool has connections left: the last ones wait for one, and for no longer than they may.
      const answers = await Promise.all([code, code, code, backupCodes[0]].map((each) => user.verify(token, each)));
      expect(answers.map(({ status }) => status)).toEqual([503, 503, 503, 503]);
      expect(answers.map(({ headers }) => headers['retry-after'])).toEqual(['1', '1', '1', '1']);
    });
    expect(Date.now() - started).toBeLessThan(8_000);

    // What was given up goes on: its attempts are counted late, and nobody was let in by them.
    await sleep(200);
    expect(host.state.completedLogins).toEqual([]);
    await user.verify(token, code).expect(200);
    await user.verify(await user.login(), code).expect(401);
    const answers = await Promise.all(Array.from({ length: 8 }, () => user.get('/mfa/status')));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(unhandled).toEqual([]);
  });
});
