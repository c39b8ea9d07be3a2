import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MfaStatusService } from 'nestjs-mfa';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { Client } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { describeServers } from '../support/servers.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

/**
 * No mocks: the network cuts the connection of a change while the database still waits for the row. The database
 * commits it later, and the answer reaches nobody.
 */
describeServers('a change whose connection is cut while it waits for its row, on', (kind) => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let holder: HostApp;
  let host: HostApp;

  beforeAll(async () => {
    database = await createDatabase(kind);
    proxy = await startTcpProxy(kind === 'postgres' ? 5432 : 3306);
    holder = await startHostApp({ on: database, options: FEW_CODES });
    host = await startHostApp({ on: database, options: FEW_CODES, dataSource: { port: proxy.port } });
  });
  afterAll(async () => {
    await host.close();
    await holder.close();
    await proxy.stop();
    await database.drop();
  });

  async function holdRow(userId: string): Promise<() => Promise<void>> {
    const runner = holder.dataSource.createQueryRunner();
    await runner.connect();
    await runner.startTransaction();
    await runner.query(`SELECT user_id FROM mfa_account WHERE user_id = '${userId}' FOR UPDATE`);
    return async () => {
      await runner.rollbackTransaction();
      await runner.release();
    };
  }

  it.each([
    ['at once', 0],
    ['after a while', 1_500],
  ])(
    'S60 S79 is committed and reaches the host, or is never committed, when the network is back %s',
    async (name, awayMs) => {
      const user = new Client(host, `cut ${awayMs}`);
      const { backupCodes } = await user.enroll();
      // The proof is spent before the row is held: its spending needs the same row.
      const release = holdRowAtCommit(user);
      const answering = user.post('/mfa/disable', { code: backupCodes[0] }).then((answer) => answer);
      await release.waiting;
      if (awayMs === 0) proxy.reset();
      else {
        await proxy.stop();
        setTimeout(() => void proxy.start(), awayMs);
      }
      await sleep(300);
      await release();
      const answer = await answering;
      await sleep(800);
      const { enabled } = await holder.app.get(MfaStatusService, { strict: false }).status(user.userId);
      const told = host.state.revocations.includes(`mfa.disabled ${user.userId}`);
      expect({ name, status: answer.status, told }).toEqual({ name, status: enabled ? 503 : 200, told: !enabled });
    },
  );

  /** Holds the row from the moment at which the change is about to be committed. */
  function holdRowAtCommit({ userId }: Client) {
    const accounts = host.app.get<MfaAccountStore>(MfaAccountStore as never, { strict: false });
    const commit = accounts.commit.bind(accounts);
    let reached!: () => void;
    const waiting = new Promise<void>((resolve) => (reached = resolve));
    let letGo: () => Promise<void>;
    accounts.commit = async (...args) => {
      accounts.commit = commit;
      letGo = await holdRow(userId);
      setTimeout(reached, 300);
      return commit(...args);
    };
    return Object.assign(() => letGo(), { waiting });
  }
});
