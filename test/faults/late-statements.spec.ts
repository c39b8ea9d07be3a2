import { BY_TEST } from '../support/reset.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOTP, Secret } from 'otpauth';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { MfaAdminService, MfaCleanupService } from 'nestjs-mfa';
import type { ImportTools } from '../../libs/mfa/src/import/import-tools.js';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { importInto } from '../import/importing.js';
import { createTable, formerly } from '../import/source-tables.js';
import { Client } from '../support/client.js';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { describeServers } from '../support/servers.js';

const SECRET = 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ';
const codeAt = (nowMs: number) =>
  HOTP.generate({ secret: Secret.fromBase32(SECRET), counter: Math.floor(nowMs / 30_000) });
const planOf = (table: string) => ({
  from: { table, columns: { userId: 'id', secret: 'secret', enabled: 'enabled' } },
});

describeServers('statements later than their deadline on', (kind) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: { ...FEW_CODES, timeouts: { statementSeconds: 1 } } });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it('S54 S58 attempts that were not evaluated because the database was late do not lock the owner out', async () => {
    const user = new Client(host, 'patient');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    const runner = host.dataSource.createQueryRunner();
    await runner.connect();
    await runner.startTransaction();
    await runner.query(`SELECT user_id FROM mfa_account WHERE user_id = 'patient' FOR UPDATE`);
    // The owner, with the right code, again and again, as the answer's Retry-After says.
    const answers = [];
    for (let attempt = 0; attempt < 5; attempt += 1)
      answers.push((await user.verify(token, authenticator.code())).status);
    await runner.rollbackTransaction();
    await runner.release();
    expect(answers).toEqual([503, 503, 503, 503, 503]);
    await sleep(500);
    expect((await user.verify(token, authenticator.code())).status).toBe(200);
  });

  it('S43a S61 a cleanup leaves the rows of an interrupted import to the next run that resumes it', async () => {
    await formerly(host.database, (old) =>
      createTable(old, 'collected', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' }, [['ada', SECRET, true]]),
    );
    const dead = (tools: ImportTools): ImportTools => ({
      ...tools,
      accounts: new Proxy(tools.accounts, {
        get: (target, method) =>
          method === 'commit'
            ? () => Promise.reject(new Error('dead'))
            : (Reflect.get(target, method) as (...given: unknown[]) => unknown).bind(target),
      }),
    });
    expect((await importInto(host, planOf('collected'), { tools: dead })).failure).toBe('dead');
    host.clock.advance(21 * 60);
    // The cleanup has found the row expired and looked at the account; the operator's second run comes in between.
    const accounts = host.app.get<MfaAccountStore>(MfaAccountStore as never, { strict: false });
    const load = accounts.load.bind(accounts);
    let first = true;
    vi.spyOn(accounts, 'load').mockImplementation(async (...given) => {
      const seen = await load(...given);
      if (first) {
        first = false;
        expect(await importInto(host, planOf('collected'))).toMatchObject({ ok: true, users: { imported: 1 } });
      }
      return seen;
    });
    await host.app.get(MfaCleanupService).purge();
    vi.restoreAllMocks();
    const user = new Client(host, 'ada');
    expect((await user.verify(await user.login(), codeAt(host.clock.nowMs()))).status).toBe(200);
  });

  it.runIf(kind === 'postgres')('S59 purging a user during an import leaves no row without an expiry', async () => {
    await formerly(host.database, (old) =>
      createTable(old, 'noted', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' }, [['noted', SECRET, true]]),
    );
    await host.dataSource.query(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$`,
    );
    await host.dataSource.query(
      `CREATE TRIGGER slow BEFORE INSERT ON mfa_usage FOR EACH ROW WHEN (NEW.expires_at IS NULL) EXECUTE FUNCTION slow()`,
    );
    try {
      const importing = importInto(host, planOf('noted'));
      const active = async () =>
        (await host.dataSource.query(`SELECT 1 FROM mfa_account WHERE user_id = 'noted' AND active_ids <> ''`)).length;
      while ((await active()) === 0) await sleep(5);
      await sleep(100);
      await host.app.get(MfaAdminService).purgeUser('noted', BY_TEST);
      await importing;
    } finally {
      await host.dataSource.query('DROP TRIGGER slow ON mfa_usage');
    }
    const rows = await host.dataSource.query(`SELECT kind, item, expires_at FROM mfa_usage WHERE user_id = 'noted'`);
    expect(rows).toEqual([]);
  });

  /** Changes of the account take longer than the deadline of the module, as behind a backup or on a full disk. */
  async function whileSlow(column: 'active_ids' | 'backup_set_id', act: () => Promise<void>): Promise<void> {
    const { dataSource } = host;
    const changes = (differ: string) => `NOT (NEW.${column} ${differ} OLD.${column})`;
    if (kind === 'postgres') {
      await dataSource.query(
        `CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.6); RETURN NEW; END $$`,
      );
      await dataSource.query(
        `CREATE TRIGGER late BEFORE UPDATE ON mfa_account FOR EACH ROW
         WHEN (${changes('IS NOT DISTINCT FROM')}) EXECUTE FUNCTION late()`,
      );
    } else {
      await dataSource.query(
        `CREATE TRIGGER late BEFORE UPDATE ON mfa_account FOR EACH ROW IF ${changes('<=>')} THEN DO SLEEP(1.6); END IF`,
      );
    }
    try {
      await act();
      await sleep(1_200);
    } finally {
      await dataSource.query(kind === 'postgres' ? 'DROP TRIGGER late ON mfa_account' : 'DROP TRIGGER late');
      if (kind === 'postgres') await dataSource.query('DROP FUNCTION late()');
    }
  }

  it('S60 S65 a disabling that takes longer than the deadline ends the sessions and is an event', async () => {
    const user = new Client(host, 'switched-off');
    const { authenticator } = await user.enroll();
    host.state.revocations.length = 0;
    await whileSlow('active_ids', async () => {
      await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    });
    const { enabled } = (await user.get('/mfa/status').expect(200)).body as { enabled: boolean };
    const revoked = host.state.revocations.filter((each) => each.includes('switched-off')).length;
    const events = host.state.events.filter(
      (event) => event.type === 'mfa.disabled' && event.userId === user.userId,
    ).length;
    expect({ enabled, revoked, events }).toEqual({ enabled: false, revoked: 1, events: 1 });
  });

  it('S60 S65 a confirmation that takes longer than the deadline calls revokeSessions and is an event', async () => {
    const user = new Client(host, 'confirmed-late');
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const app = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    host.state.revocations.length = 0;
    await whileSlow('active_ids', async () => {
      await user.post('/mfa/totp/confirm', { code: app.code() }).expect(200);
    });
    const { enabled } = (await user.get('/mfa/status').expect(200)).body as { enabled: boolean };
    const revoked = host.state.revocations.filter((each) => each.includes('confirmed-late')).length;
    const events = host.state.events.filter(
      (event) => event.type === 'mfa.authenticator.confirmed' && event.userId === user.userId,
    ).length;
    expect({ enabled, revoked, events }).toEqual({ enabled: true, revoked: 1, events: 1 });
  });

  it('S33 S39 a regeneration that takes longer than the deadline shows the valid codes', async () => {
    const user = new Client(host, 'regenerated-late');
    const { authenticator, backupCodes } = await user.enroll();
    let fresh: string[] = [];
    await whileSlow('backup_set_id', async () => {
      await user
        .post('/mfa/backup-codes/regenerate', { code: authenticator.code() })
        .expect(200)
        .then(({ body }) => {
          fresh = body.backupCodes;
        });
    });
    // What the owner holds, on paper or on the screen, is the set that counts.
    expect((await user.verify(await user.login(), fresh[0])).status).toBe(200);
    expect((await user.verify(await user.login(), backupCodes[0])).status).toBe(401);
  });
});
