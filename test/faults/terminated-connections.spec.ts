import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { getDataSourceToken } from '@nestjs/typeorm';
import { Client } from '../support/client.js';
import { describeServers } from '../support/servers.js';
import { startHostApp, type HostApp } from '../support/host-app.js';

/** Ends every connection that the application has to its database, as a restart of the server does. */
async function terminateConnections(host: HostApp): Promise<number> {
  const { options, kind } = host.database;
  const admin = await new DataSource({ ...options, entities: [], migrations: [] } as never).initialize();
  try {
    if (kind === 'postgres') {
      const ended: unknown[] = await admin.query(
        // Not within the moment of connecting: `pg` has no error handler on a client until TypeORM has taken it over,
        // so that such an end would be the process's (an uncaught exception).
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
         AND pid <> pg_backend_pid() AND backend_start < now() - interval '200 milliseconds'`,
      );
      return ended.length;
    }
    const rows: { id: number }[] = await admin.query(
      'SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()',
    );
    for (const { id } of rows) await admin.query(`KILL CONNECTION ${Number(id)}`).catch(() => undefined);
    return rows.length;
  } finally {
    await admin.destroy();
  }
}

describeServers('connections lost on', (kind) => {
  let host: HostApp;
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  beforeAll(async () => {
    process.on('unhandledRejection', note);
    host = await startHostApp({ database: kind });
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await host.close();
  });

  it('S30 S79 cause 503 and nothing else, no code is accepted twice, and the application recovers without a restart', async () => {
    const users = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const user = new Client(host, `outage-${index}`);
        const { backupCodes } = await user.enroll();
        return { user, backupCodes };
      }),
    );
    const submit = async (user: Client, code: string | undefined): Promise<number> => {
      const login = await user.loginAnswer();
      return login.status === 201 ? (await user.verify(login.body.mfa_token, code)).status : login.status;
    };
    const outcomes: string[] = [];
    let terminated = 0;
    for (let round = 0; round < 4; round += 1) {
      const answers = users.map(async ({ user, backupCodes }) => {
        // Twice each, so that a code that is spent while its connection dies meets its replay.
        const first = await submit(user, backupCodes[round]);
        outcomes.push(`${first} ${await submit(user, backupCodes[round])}`);
      });
      await sleep(40);
      terminated += await terminateConnections(host);
      await Promise.all(answers);
    }
    expect(terminated).toBeGreaterThan(0);
    // A replay is 401, also of a code that was spent although its response was 503.
    const allowed = ['200 401', '200 503', '503 200', '503 401', '503 503'];
    expect(outcomes.filter((each) => !allowed.includes(each))).toEqual([]);
    expect(outcomes.filter((each) => each.includes('200'))).not.toEqual([]);

    // No restart: the pool opens new connections, and everybody gets in.
    host.clock.advance(3_600);
    for (const { user, backupCodes } of users) {
      await user.verify(await user.login(), backupCodes[9]).expect(200);
    }
    expect(host.app.get<DataSource>(getDataSourceToken()).isInitialized).toBe(true);
    expect(unhandled).toEqual([]);
  });
});
