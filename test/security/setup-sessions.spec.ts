import { BY_TEST } from '../support/reset.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ExecutionContext } from '@nestjs/common';
import { MfaAdminService, MfaCleanupService, type MfaPrincipal } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { describeServers } from '../support/servers.js';
import { dumpTables, FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

const proof = { password: PASSWORD };

function portOf<T>(host: HostApp, token: abstract new (...args: never[]) => T): T {
  return host.app.get(token as never, { strict: false });
}

function phoneOf(host: HostApp, { body }: { body: { otpauthUri: string } }): VirtualAuthenticator {
  return new VirtualAuthenticator(body.otpauthUri, host.clock);
}

/** The answers of several requests, as counts of `status code`. */
function tally(answers: readonly { status: number; body: { code?: string } }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = [status, body.code].filter(Boolean).join(' ');
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

describe.each(testDatabases)('setups of several sessions, on %s', (kind) => {
  let host: HostApp;
  let users = 0;
  const sessions = () => {
    const first = new Client(host, `sessions-${(users += 1)}`);
    return [first, new Client(host, first.userId)] as const;
  };
  const budgets = async (userId: string) => (await portOf(host, MfaAccountStore).load(userId))!.account.budgets;

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it('S79 a repeat of the same session changes neither secret nor expiry nor name, and is one event', async () => {
    const [user] = sessions();
    const first = await user.post('/mfa/totp/setup', { ...proof, name: 'Phone' }).expect(200);
    host.clock.advance(60);
    const second = await user.post('/mfa/totp/setup', { ...proof, name: 'Tablet' }).expect(200);
    expect(second.body).toEqual({ ...first.body, resumed: true });
    const started = () =>
      host.state.events.filter(({ type, userId }) => type === 'mfa.setup.started' && userId === user.userId);
    await sleep(10);
    expect(started()).toHaveLength(1);
  });

  it('S79 another session gets another secret, and the first one can neither confirm nor cancel, at no cost', async () => {
    const [first, second] = sessions();
    const early = phoneOf(host, await first.post('/mfa/totp/setup', proof).expect(200));
    const answer = await second.post('/mfa/totp/setup', proof).expect(200);
    expect(answer.body.resumed).toBe(false);
    const before = await budgets(first.userId);
    for (const code of [early.code(), phoneOf(host, answer).code(), '000000'])
      await first.post('/mfa/totp/confirm', { code }).expect(404, /MFA_SETUP_NOT_FOUND/);
    await first.post('/mfa/setup/cancel').expect(404, /MFA_SETUP_NOT_FOUND/);
    expect(await budgets(first.userId)).toEqual(before);
    await second.post('/mfa/totp/confirm', { code: phoneOf(host, answer).code() }).expect(200);
    expect(
      (await dumpTables(host)).mfa_authenticator!.filter((row) => 'user_id' in row && row.user_id === first.userId),
    ).toHaveLength(1);
  });

  it('S14 S79 20 parallel setups of two sessions never show one session the secret of the other', async () => {
    const [first, second] = sessions();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? first : second).post('/mfa/totp/setup', proof)),
    );
    const secretsOf = (offset: number) =>
      new Set(answers.filter((_, index) => index % 2 === offset).flatMap(({ body }) => body.secret ?? []));
    expect(Object.keys(tally(answers)).sort()).toEqual(expect.arrayContaining(['200']));
    for (const { status } of answers) expect([200, 503]).toContain(status);
    expect([...secretsOf(0)].filter((secret) => secretsOf(1).has(secret))).toEqual([]);
    const { account } = (await portOf(host, MfaAccountStore).load(first.userId))!;
    expect(account.pendingId).not.toBeNull();
  });

  it('S14 S79 20 parallel setups of one session leave one row, replace that of another session, and are one event', async () => {
    const [thief, owner] = sessions();
    const stolen = await thief.post('/mfa/totp/setup', proof).expect(200);
    const answers = await Promise.all(Array.from({ length: 20 }, () => owner.post('/mfa/totp/setup', proof)));
    expect(tally(answers)).toEqual({ 200: 20 });
    expect(new Set(answers.map(({ body }) => body.secret))).toEqual(new Set([answers[0]!.body.secret]));
    expect(answers[0]!.body.secret).not.toBe(stolen.body.secret);
    expect(answers.filter(({ body }) => body.resumed === false)).toHaveLength(1);
  });

  it('S79 cancelling ends the setup, is an event, and a later code finds nothing', async () => {
    const [user] = sessions();
    const setup = await user.post('/mfa/totp/setup', { ...proof, name: 'Phone' }).expect(200);
    const { body } = await user.post('/mfa/setup/cancel').expect(200);
    expect(body).toMatchObject({ enabled: false, pendingSetup: false, proof: ['password'] });
    await user.post('/mfa/setup/cancel').expect(404, /MFA_SETUP_NOT_FOUND/);
    await user.post('/mfa/totp/confirm', { code: phoneOf(host, setup).code() }).expect(404, /MFA_SETUP_NOT_FOUND/);
    await vi.waitFor(() =>
      expect(host.state.events).toContainEqual(
        expect.objectContaining({
          type: 'mfa.setup.cancelled',
          userId: user.userId,
          authenticator: expect.objectContaining({ id: setup.body.authenticatorId, name: 'Phone' }),
        }),
      ),
    );
    expect((await user.post('/mfa/totp/setup', proof).expect(200)).body.secret).not.toBe(setup.body.secret);
  });

  it('S79 of a cancellation and a confirmation at once exactly one succeeds', async () => {
    for (let round = 0; round < 4; round += 1) {
      const [user] = sessions();
      const code = phoneOf(host, await user.post('/mfa/totp/setup', proof).expect(200)).code();
      const [cancelled, confirmed] = await Promise.all([
        user.post('/mfa/setup/cancel'),
        user.post('/mfa/totp/confirm', { code }),
      ]);
      const { enabled } = (await user.get('/mfa/status')).body;
      expect([cancelled.status, confirmed.status].filter((status) => status === 200)).toHaveLength(1);
      expect(enabled).toBe(confirmed.status === 200);
      if (confirmed.status === 200) expect(confirmed.body.backupCodes).toHaveLength(4);
    }
  });

  it('S79 a cancelled setup is no longer the pending one, though its row stays and its first code was spent before', async () => {
    const [user] = sessions();
    const code = phoneOf(host, await user.post('/mfa/totp/setup', proof).expect(200)).code();
    const [usage, rows] = [portOf(host, MfaUsageStore), portOf(host, MfaAuthenticatorStore)];
    const spend = usage.spend.bind(usage);
    vi.spyOn(rows, 'remove').mockRejectedValueOnce(new Error('connection reset'));
    vi.spyOn(usage, 'spend').mockImplementationOnce(async (spending) => {
      const won = await spend(spending);
      await user.post('/mfa/setup/cancel').expect(200);
      return won;
    });
    await user.post('/mfa/totp/confirm', { code }).expect(401, /MFA_CODE_REJECTED/);
    expect((await user.get('/mfa/status')).body).toMatchObject({ enabled: false, pendingSetup: false });
    const { account, authenticators } = (await portOf(host, MfaAccountStore).load(user.userId))!;
    expect([account.pendingId, authenticators.length]).toEqual([null, 1]);
  });

  it('S79 regenerating the backup codes ends a pending setup and outstanding mfa_tokens', async () => {
    const [user] = sessions();
    const { authenticator } = await user.enroll();
    const pending = await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
    const token = await user.login();
    host.clock.advance(30);
    await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
    await user.post('/mfa/totp/confirm', { code: phoneOf(host, pending).code() }).expect(404, /MFA_SETUP_NOT_FOUND/);
    host.clock.advance(30);
    await user.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
  });

  it('S33 S79 a confirmation and a regeneration at once leave one intact set of codes, which was shown', async () => {
    for (let round = 0; round < 3; round += 1) {
      const [user] = sessions();
      const { authenticator, backupCodes } = await user.enroll();
      const pending = await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
      host.clock.advance(30);
      const [regenerated, confirmed] = await Promise.all([
        user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }),
        user.post('/mfa/totp/confirm', { code: phoneOf(host, pending).code() }),
      ]);
      expect(regenerated.status).toBe(200);
      expect([200, 401, 404]).toContain(confirmed.status);
      const { authenticators } = (await user.get('/mfa/status')).body;
      expect(authenticators).toHaveLength(confirmed.status === 200 ? 2 : 1);
      await user.verify(await user.login(), backupCodes[0]).expect(401);
      await user.signIn(regenerated.body.backupCodes[0]);
    }
  });

  it('S59 S79 a purge between the first code and the commit leaves no authenticator', async () => {
    const [user] = sessions();
    const code = phoneOf(host, await user.post('/mfa/totp/setup', proof).expect(200)).code();
    const usage = portOf(host, MfaUsageStore);
    const spend = usage.spend.bind(usage);
    vi.spyOn(usage, 'spend').mockImplementationOnce(async (spending) => {
      const won = await spend(spending);
      await portOf(host, MfaAdminService).purgeUser(user.userId, BY_TEST);
      return won;
    });
    await user.post('/mfa/totp/confirm', { code }).expect(401, /MFA_CODE_REJECTED/);
    expect((await user.loginAnswer()).body).toHaveProperty('accessToken');
    expect(await portOf(host, MfaAccountStore).load(user.userId)).toBeNull();
  });

  it('S12 S79 a setup whose proof is an authenticator that is removed meanwhile starts nothing', async () => {
    const [user] = sessions();
    const stolen = await user.enroll();
    const kept = await user.enrollAnother(stolen.authenticator.code());
    host.clock.advance(60);
    const accounts = portOf(host, MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      await user.post(`/mfa/authenticators/${stolen.id}/remove`, { code: kept.authenticator.code() }).expect(200);
      return commit(...args);
    });
    const answer = await user.post('/mfa/totp/setup', { code: stolen.authenticator.code() });
    expect(answer.body).toMatchObject({ statusCode: 401, code: 'MFA_PROOF_REQUIRED', proof: ['code'] });
    expect((await user.get('/mfa/status')).body).toMatchObject({ pendingSetup: false, enabled: true });
  });

  it('S79 a second window learns that the setup was confirmed, not that it expired', async () => {
    const [user] = sessions();
    const phone = phoneOf(host, await user.post('/mfa/totp/setup', proof).expect(200));
    await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    const { body } = await user.post('/mfa/totp/confirm', { code: phone.code(1) }).expect(404);
    expect(body.message).toMatch(/another window/);
    expect(body.message).not.toMatch(/expired/);
    const again = await user.post('/mfa/totp/setup', proof).expect(401);
    expect(again.body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['code'] });
    expect(again.body.message).not.toMatch(/expired/);
  });

  it('S39 S61 a regeneration that waits for longer than the grace of its codes shows none that do not exist', async () => {
    const [user] = sessions();
    const { authenticator, backupCodes } = await user.enroll();
    const accounts = portOf(host, MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      // As behind a lock that another connection holds, while another instance cleans up.
      host.clock.advance(25 * 60);
      await portOf(host, MfaCleanupService).purge();
      return commit(...args);
    });
    await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(503, /MFA_BUSY/);
    await user.signIn(backupCodes[0]!);
  });

  it('S39 S61 a confirmation that waits for longer than the grace of its codes enables nothing', async () => {
    const [user] = sessions();
    const phone = phoneOf(host, await user.post('/mfa/totp/setup', proof).expect(200));
    const accounts = portOf(host, MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      host.clock.advance(25 * 60);
      await portOf(host, MfaCleanupService).purge();
      return commit(...args);
    });
    const { status } = await user.post('/mfa/totp/confirm', { code: phone.code() });
    expect([401, 503]).toContain(status);
    expect((await user.get('/mfa/status')).body.enabled).toBe(false);
  });

  it('S18 S61 a setup that waits for longer than its lifetime shows no secret that nobody can confirm', async () => {
    const [user] = sessions();
    const accounts = portOf(host, MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    const waits: [string, (...args: Parameters<typeof commit>) => Promise<boolean>][] = [
      [
        'the row expires behind the lock',
        (...args) => {
          host.clock.advance(600);
          return commit(...args);
        },
      ],
      [
        'the row expires, and another change comes first',
        async () => {
          host.clock.advance(600);
          return false;
        },
      ],
      [
        'the row is collected, and another change comes first',
        async () => {
          host.clock.advance(25 * 60);
          await portOf(host, MfaCleanupService).purge();
          return false;
        },
      ],
    ];
    const collectedElsewhere = async () => {
      // By an instance whose clock is ahead.
      await portOf(host, MfaAuthenticatorStore).removeAll(user.userId);
      return false;
    };
    waits.push(['the row is collected elsewhere, and another change comes first', collectedElsewhere]);
    for (const [name, wait] of waits) {
      vi.spyOn(accounts, 'commit').mockImplementationOnce(wait);
      const { status, body } = await user.post('/mfa/totp/setup', proof);
      expect([name, status, body.code, body.secret]).toEqual([name, 503, 'MFA_BUSY', undefined]);
    }
    vi.restoreAllMocks();
    const phone = phoneOf(host, await user.post('/mfa/totp/setup', proof).expect(200));
    await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
  });
});

/** A host that names no session. */
class NamelessHost extends TestHost {
  static account: MfaPrincipal['accountName'] = 'name@example.test';
  override principal(context: ExecutionContext): MfaPrincipal | null {
    const known = super.principal(context);
    return known && { userId: known.userId, accountName: NamelessHost.account };
  }

  /** Takes long enough that parallel requests overlap. */
  override verifyPassword(_principal: MfaPrincipal, password: string): Promise<boolean> {
    return sleep(200, password === PASSWORD);
  }
}

describe('a host that names no session', () => {
  let host: HostApp;
  const warnings: string[] = [];
  beforeAll(async () => {
    const quiet = () => undefined;
    const logger = { log: quiet, error: quiet, warn: (message: string) => void warnings.push(message) };
    host = await startHostApp({ host: NamelessHost, options: FEW_CODES, logger });
  });
  afterAll(() => host.close());

  it('S79 gets another secret with every repeat, and one warning', async () => {
    const user = new Client(host, 'nameless');
    const first = await user.post('/mfa/totp/setup', proof).expect(200);
    const second = await user.post('/mfa/totp/setup', proof).expect(200);
    expect(second.body.secret).not.toBe(first.body.secret);
    expect([first.body.resumed, second.body.resumed]).toEqual([false, false]);
    await user.post('/mfa/totp/confirm', { code: phoneOf(host, first).code() }).expect(401, /MFA_CODE_REJECTED/);
    await user.post('/mfa/totp/confirm', { code: phoneOf(host, second).code() }).expect(200);
    expect(warnings.filter((text) => text.includes('sessionId'))).toHaveLength(1);
  });

  it('S14 S79 parallel setups share one row', async () => {
    const user = new Client(host, 'parallel');
    const answers = await Promise.all(Array.from({ length: 5 }, () => user.post('/mfa/totp/setup', proof)));
    expect(tally(answers)).toEqual({ 200: 5 });
    expect(new Set(answers.map(({ body }) => body.secret)).size).toBe(1);
  });

  it('S20 calls a function for the account name at setup only, and its error is the response, before anything is counted', async () => {
    const name = vi.fn<() => Promise<string>>(async () => 'late@example.test');
    NamelessHost.account = name;
    const user = new Client(host, 'late');
    await user.get('/mfa/status').expect(200);
    expect(name).not.toHaveBeenCalled();
    const setup = await user.post('/mfa/totp/setup', proof).expect(200);
    expect(decodeURIComponent(setup.body.otpauthUri)).toContain('late@example.test');
    await user.post('/mfa/totp/confirm', { code: phoneOf(host, setup).code() }).expect(200);
    expect(name).toHaveBeenCalledTimes(1);
    NamelessHost.account = () => {
      throw new Error('directory is down');
    };
    const before = await dumpTables(host);
    await new Client(host, 'failing').post('/mfa/totp/setup', proof).expect(500);
    expect(await dumpTables(host)).toEqual(before);
  });
});

describeServers('a change behind a lock that outlasts the grace of its rows, on', (kind) => {
  it('S39 S61 shows only codes that exist', async () => {
    const host = await startHostApp({ database: kind, options: { ...FEW_CODES, timeouts: { statementSeconds: 1 } } });
    const user = new Client(host, 'patient');
    const { authenticator, backupCodes } = await user.enroll();
    const runner = host.dataSource.createQueryRunner();
    await runner.connect();
    await runner.startTransaction();
    const accounts = portOf(host, MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    let locked!: () => void;
    const waiting = new Promise<void>((resolve) => (locked = resolve));
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      await runner.query(`SELECT user_id FROM mfa_account WHERE user_id = 'patient' FOR UPDATE`);
      const committed = commit(...args);
      await sleep(300);
      locked();
      return committed;
    });
    const answering = user
      .post('/mfa/backup-codes/regenerate', { code: authenticator.code() })
      .then((answer) => answer);
    await waiting;
    host.clock.advance(25 * 60);
    const cleaning = portOf(host, MfaCleanupService)
      .purge()
      .catch(() => undefined);
    await Promise.race([cleaning, sleep(5_000)]);
    await runner.rollbackTransaction();
    await runner.release();
    const answer = await answering;
    await cleaning;
    const codes: string[] = answer.status === 200 ? answer.body.backupCodes : backupCodes;
    await user.signIn(codes[0]!);
    await host.close();
  });
});
