import { BY_TEST } from '../support/reset.js';
import { afterEach, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaAdminService } from 'nestjs-mfa';
import { checkSchema } from '../../libs/mfa/src/persistence/schema-check.js';
import { Client } from '../support/client.js';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { inEachSession } from '../support/mariadb-sessions.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { device, hash, passkey } from './rows.js';

const times = <T>(n: number, make: (index: number) => PromiseLike<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const statuses = (answers: Response[]) => {
  const counted: Record<string, number> = {};
  for (const { status } of answers) counted[status] = (counted[status] ?? 0) + 1;
  return counted;
};

let host: HostApp;
let database: TestDatabase;
afterEach(async () => {
  await host?.close();
  host = undefined as never;
  await database.drop();
});

describe.runIf(testDatabases.includes('postgres')).each(['repeatable read', 'serializable'])(
  'PostgreSQL with default_transaction_isolation = %s',
  (isolation) => {
    const start = async () => {
      database = await createDatabase('postgres');
      const extra = { max: 20, options: `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}` };
      host = await startHostApp({ on: database, dataSource: { extra } });
      const [{ transaction_isolation }] = await host.dataSource.query('SHOW transaction_isolation');
      expect(transaction_isolation).toBe(isolation);
    };

    it('S28 S34a accepts one of fifty parallel submissions, and none returns 5xx', async () => {
      await start();
      const user = new Client(host, 'racer');
      const { authenticator } = await user.enroll();
      const tokens = await times(50, () => user.login());
      const answers = await times(50, (i) => user.verify(tokens[i], authenticator.code()));
      const counted = statuses(answers);
      expect(counted[200]).toBe(1);
      expect(Object.keys(counted).filter((status) => Number(status) >= 500)).toEqual([]);
    });

    it('S34 S34a completes one login for one token in twenty parallel valid verifications, and none returns 5xx', async () => {
      await start();
      const user = new Client(host, 'racer');
      const { authenticator, backupCodes } = await user.enroll();
      const token = await user.login();
      const codes = [...backupCodes, authenticator.code(-1), authenticator.code(0), authenticator.code(1)];
      const counted = statuses(await times(20, (i) => user.verify(token, codes[i % codes.length])));
      expect(counted[200]).toBe(1);
      expect(Object.keys(counted).filter((status) => Number(status) >= 500)).toEqual([]);
    });

    it('S50 evaluates at most the budget of a hundred parallel wrong guesses, and none returns 5xx', async () => {
      await start();
      const user = new Client(host, 'racer');
      await user.enroll();
      const tokens = await times(100, () => user.login());
      const counted = statuses(await times(100, (i) => user.verify(tokens[i], '000000')));
      expect(counted).toEqual({ 401: 5, 429: 95 });
    });
  },
);

describe.runIf(testDatabases.includes('mariadb'))('MariaDB with other settings', () => {
  const start = async (settings: { sqlMode?: string; isolation?: string; flags?: string[] }) => {
    database = await createDatabase('mariadb');
    host = await startHostApp({ on: database, dataSource: { flags: settings.flags, extra: { connectionLimit: 10 } } });
    const { sqlMode, isolation } = settings;
    if (sqlMode !== undefined) inEachSession(host.dataSource, `SET SESSION sql_mode = '${sqlMode}'`);
    if (isolation) inEachSession(host.dataSource, `SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
  };

  it('S42 S43a keeps MFA on for "alice" when the account "ALICE" is deleted, or refuses the tables at boot', async () => {
    database = await createDatabase('mariadb');
    const started = await startHostApp({
      on: database,
      dataSource: { synchronize: true, migrations: [], migrationsRun: false },
    }).catch((error: Error) => error);
    if (started instanceof Error) return expect(started.message).toContain('collation');
    host = started;
    const alice = new Client(host, 'alice');
    await alice.enroll();
    await host.app.get(MfaAdminService, { strict: false }).purgeUser('ALICE', BY_TEST);
    const { body } = await alice.loginAnswer();
    expect(body.mfaRequired).toBe(true);
  });

  it('renames an authenticator to its own name without the FOUND_ROWS flag', async () => {
    await start({ flags: ['-FOUND_ROWS'] });
    const user = new Client(host, 'renamer');
    const { id } = await user.enroll();
    await user.patch(`/mfa/authenticators/${id}`, { name: 'Phone' }).expect(200);
    const again = await user.patch(`/mfa/authenticators/${id}`, { name: 'Phone' });
    expect(again.body.code).toBeUndefined();
    expect(again.status).toBe(200);
  });

  it('S112 accepts the uses of a device within one millisecond without the FOUND_ROWS flag', async () => {
    await start({ flags: ['-FOUND_ROWS'] });
    const store = typeOrmStores(host.dataSource);
    await store.accounts.open('used', 1_800_000_000_000);
    const { securityStamp } = (await store.accounts.load('used'))!.account;
    const row = device('used', { securityStamp, previousHash: hash('first') });
    await store.devices.add(row);
    for (const nowMs of [row.lastUsedAtMs, row.lastUsedAtMs, row.lastUsedAtMs - 5, row.lastUsedAtMs + 5]) {
      for (const secretHash of [row.secretHash, hash('first')]) {
        expect(await store.devices.noteUse(row, secretHash, nowMs)).toBe(true);
      }
    }
    expect(await store.devices.noteUse(row, hash('other'), row.lastUsedAtMs)).toBe(false);
  });

  it('S80 accepts the uses of a passkey without a counter within one millisecond without the FOUND_ROWS flag', async () => {
    await start({ flags: ['-FOUND_ROWS'] });
    const { passkeys } = typeOrmStores(host.dataSource);
    const { id, userId, createdAtMs } = passkey('used');
    await passkeys.add({ ...passkey('used'), id });
    const use = { userId, id, counter: { from: null, to: 0 }, backedUp: false, userVerified: true };
    for (const nowMs of [createdAtMs, createdAtMs, createdAtMs - 5, createdAtMs + 5]) {
      expect(await passkeys.recordUse({ ...use, nowMs })).toBe(true);
    }
    expect(await passkeys.recordUse({ ...use, id: 'another', nowMs: createdAtMs })).toBe(false);
  });

  it.each(['NO_BACKSLASH_ESCAPES', 'ORACLE', 'EMPTY_STRING_IS_NULL'])(
    'S2 S67 refuses to start under sql_mode %s, which changes what its statements mean',
    async (sqlMode) => {
      await start({ sqlMode });
      const check = checkSchema(host.dataSource, { warn: () => undefined });
      await expect(check).rejects.toMatchObject({
        code: 'MFA_MISCONFIGURED',
        message: expect.stringContaining(sqlMode),
      });
    },
  );

  it.each(['ANSI_QUOTES,IGNORE_SPACE,PIPES_AS_CONCAT', 'ANSI,TRADITIONAL', ''])(
    'completes the whole flow under sql_mode %j',
    async (sqlMode) => {
      await start({ sqlMode });
      const user = new Client(host, 'moded');
      const { authenticator, backupCodes } = await user.enroll();
      await user.verify(await user.login(), authenticator.code()).expect(200);
      await user.verify(await user.login(), authenticator.code()).expect(401);
      await user.verify(await user.login(), backupCodes[0]).expect(200);
      host.clock.advance(30);
      await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
      host.clock.advance(30);
      await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    },
  );

  it.each(['READ UNCOMMITTED', 'READ COMMITTED', 'SERIALIZABLE'])(
    'S28 S34a accepts one of fifty parallel submissions under %s',
    async (isolation) => {
      await start({ isolation });
      const user = new Client(host, 'racer');
      const { authenticator } = await user.enroll();
      const tokens = await times(50, () => user.login());
      const counted = statuses(await times(50, (i) => user.verify(tokens[i], authenticator.code())));
      expect(counted[200]).toBe(1);
      expect(Object.keys(counted).filter((status) => Number(status) >= 500)).toEqual([]);
    },
  );
});
