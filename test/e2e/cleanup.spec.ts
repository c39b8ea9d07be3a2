import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, Module } from '@nestjs/common';
import { Interval, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MfaCleanupService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { passkey } from '../persistence/rows.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import {
  dumpTables,
  FEW_CODES,
  PASSWORD,
  providerNamed,
  startHostApp,
  type HostApp,
  type HostAppSetup,
} from '../support/host-app.js';

/** The store of passkeys, as far as a test needs it. */
interface PasskeyRows {
  add(row: ReturnType<typeof passkey>): Promise<boolean>;
}

const SKEW_MS = 600_000;
const NOTHING = { usage: 0, authenticators: 0, backupSets: 0, passkeys: 0, devices: 0, audit: 0, hostRows: 0 };

let host: HostApp;
const start = async (setup: HostAppSetup = {}) => {
  host = await startHostApp({ ...setup, options: { ...FEW_CODES, ...setup.options } });
  return host;
};
const cleanupOf = ({ app }: HostApp) => app.get(MfaCleanupService, { strict: false });
const purgeAt = (nowMs: number) => {
  host.clock.set(nowMs);
  return cleanupOf(host).purge();
};
const rows = async (table: string): Promise<Record<string, number | string | null>[]> =>
  host.dataSource.query(`SELECT * FROM ${table}`);

afterEach(async () => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  await host.close();
});

describe.each(testDatabases)('S61 purging on %s', (database) => {
  beforeEach(() => start({ database }));

  it('keeps usage rows until a second before their expiry, and removes them a second after', async () => {
    const user = new Client(host, 'spender');
    const { authenticator } = await user.enroll();
    await user.signIn(authenticator.code());
    const spent = await rows('mfa_usage');
    expect(spent.map(({ kind }) => kind).toSorted()).toEqual(['token', 'totp', 'totp']);
    const expiries = spent.map((row) => Number(row.expires_at)).toSorted((a, b) => a - b);
    for (const [index, expiry] of expiries.entries()) {
      // Two rows may share a second.
      if (expiries[index - 1] === expiry) continue;
      const due = expiries.filter((each) => each === expiry).length;
      expect(await purgeAt(expiry - 1000)).toEqual(NOTHING);
      expect(await purgeAt(expiry + 1000)).toEqual({ ...NOTHING, usage: due });
    }
    expect(await rows('mfa_usage')).toEqual([]);
    expect((await user.get('/mfa/status')).body).toMatchObject({ enabled: true, backupCodes: { remaining: 4 } });
  });

  it('remembers a step and a token for ten minutes longer than any clock could accept them', async () => {
    const user = new Client(host, 'skewed');
    const { authenticator } = await user.enroll();
    host.clock.set(Math.ceil(host.clock.nowMs() / 30_000) * 30_000);
    await user.signIn(authenticator.code(1));
    const [totp] = (await rows('mfa_usage'))
      .filter(({ kind }) => kind === 'totp')
      .toSorted((a, b) => Number(b.expires_at) - Number(a.expires_at));
    const [token] = (await rows('mfa_usage')).filter(({ kind }) => kind === 'token');
    const now = host.clock.nowMs();
    // The next step is the current one 30 s from now, and within the window until 90 s from now.
    expect(Number(totp!.expires_at) - now).toBe(90_000 + SKEW_MS);
    expect(Number(token!.expires_at) - now).toBe(300_000 + SKEW_MS);
  });

  it('S18 removes a pending secret ten minutes after its expiry, and forgets it in the account', async () => {
    const user = new Client(host, 'starter');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const expiry = new Date(body.expiresAt).getTime();
    expect(await purgeAt(expiry + SKEW_MS - 1000)).toEqual(NOTHING);
    expect(await purgeAt(expiry + SKEW_MS + 1000)).toEqual({ ...NOTHING, authenticators: 1 });
    expect(await rows('mfa_authenticator')).toEqual([]);
    expect(await rows('mfa_account')).toMatchObject([{ user_id: 'starter', pending_id: null }]);
    await user.enroll();
  });

  it('S101 leaves live rows and the sightings of policies unchanged, however old they are', async () => {
    const user = new Client(host, 'veteran');
    const { authenticator, backupCodes } = await user.enroll();
    await user.signIn(backupCodes[0]!);
    const sightings = providerNamed<{ record(...sighting: unknown[]): Promise<number> }>(host, 'MfaPolicySeenStore');
    for (const userId of ['veteran', 'no-account']) await sightings.record(userId, 'staff', 5);
    await purgeAt(host.clock.nowMs() + SKEW_MS * 2);
    expect(await rows('mfa_policy_seen')).toHaveLength(2);
    const before = await dumpTables(host);
    expect(await purgeAt(host.clock.nowMs() + 10 * 366 * 86_400_000)).toEqual(NOTHING);
    expect(await dumpTables(host)).toEqual(before);
    await user.verify(await user.login(), backupCodes[0]).expect(401, /MFA_CODE_REJECTED/);
    await user.signIn(authenticator.code());
  });

  it('S61 removes a passkey that no account names, a second after its grace, and keeps one that is named', async () => {
    const user = new Client(host, 'key-owner');
    const { id } = await user.enroll();
    const passkeys = providerNamed<PasskeyRows>(host, 'MfaPasskeyStore');
    const expiresAtMs = host.clock.nowMs() + 60_000;
    const [named, orphan, homeless] = [
      passkey('key-owner', { expiresAtMs }),
      passkey('key-owner', { expiresAtMs }),
      passkey('no-account', { expiresAtMs }),
    ];
    for (const row of [named, orphan, homeless]) await passkeys.add(row);
    await host.dataSource.query(`UPDATE mfa_account SET active_ids = 'totp:${id},passkey:${named.id}'`);
    expect(await purgeAt(expiresAtMs + SKEW_MS - 1000)).toMatchObject({ passkeys: 0 });
    expect(await rows('mfa_passkey')).toHaveLength(3);
    expect(await purgeAt(expiresAtMs + SKEW_MS + 1000)).toMatchObject({ passkeys: 3 });
    expect(await rows('mfa_passkey')).toMatchObject([{ id: named.id, expires_at: null }]);
    expect(await purgeAt(expiresAtMs + 10 * SKEW_MS)).toMatchObject({ passkeys: 0 });
  });

  it('S61 keeps a passkey whose id the account names as another factor only until its grace ends', async () => {
    const user = new Client(host, 'mixed');
    const { id } = await user.enroll();
    const expiresAtMs = host.clock.nowMs() + 60_000;
    await providerNamed<PasskeyRows>(host, 'MfaPasskeyStore').add(passkey('mixed', { id, expiresAtMs }));
    expect(await purgeAt(expiresAtMs + SKEW_MS + 1000)).toMatchObject({ authenticators: 0, passkeys: 1 });
    expect(await rows('mfa_passkey')).toEqual([]);
    expect(await rows('mfa_authenticator')).toHaveLength(1);
  });

  it('removes a set of backup codes whose confirmation never finished', async () => {
    const user = new Client(host, 'interrupted');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const accounts = providerNamed<{ commit(): Promise<boolean> }>(host, 'MfaAccountStore');
    vi.spyOn(accounts, 'commit').mockRejectedValueOnce(new Error('no database'));
    const authenticator = new VirtualAuthenticator(body.otpauthUri, host.clock);
    await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(500);
    const orphans = await rows('mfa_backup_code');
    expect(orphans).toHaveLength(4);
    host.clock.advance(30);
    await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
    await purgeAt(Number(orphans[0]!.expires_at) + SKEW_MS + 1000);
    const left = await rows('mfa_backup_code');
    expect(left).toHaveLength(4);
    expect(left.filter(({ set_id }) => set_id === orphans[0]!.set_id)).toEqual([]);
  });

  it('completes a confirmation that stopped after its commit, instead of removing the authenticator', async () => {
    const user = new Client(host, 'half-way');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const authenticators = providerNamed<{ confirm(): Promise<void> }>(host, 'MfaAuthenticatorStore');
    vi.spyOn(authenticators, 'confirm').mockRejectedValueOnce(new Error('no database'));
    const authenticator = new VirtualAuthenticator(body.otpauthUri, host.clock);
    await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
    await purgeAt(new Date(body.expiresAt).getTime() + SKEW_MS + 1000);
    expect(await rows('mfa_authenticator')).toMatchObject([{ user_id: 'half-way', expires_at: null }]);
    await user.signIn(authenticator.code());
  });

  it('removes each row once while another instance cleans too', async () => {
    const other = await startHostApp({ database, on: host.database, options: { cleanup: false } });
    const user = new Client(host, 'busy');
    const { backupCodes } = await user.enroll();
    const insert = (item: number) =>
      host.dataSource.query(
        `INSERT INTO mfa_usage (user_id, kind, item, spent_at, expires_at) VALUES ('busy', 'totp', 'x:${item}', 1, 2)`,
      );
    for (let item = 0; item < 40; item += 1) await insert(item);
    const reports = await Promise.all([cleanupOf(host).purge(), cleanupOf(other).purge()]);
    expect(reports.reduce((sum, { usage }) => sum + usage, 0)).toBe(40);
    await user.signIn(backupCodes[0]!);
    await other.close();
  });
});

describe('batches', () => {
  const startWith = (batchSize: number, database?: HostAppSetup['database']) =>
    start({ database, options: { cleanup: { intervalSeconds: 300, batchSize } } });
  const spend = async (count: number) => {
    const rows = Array.from({ length: count }, (_, item) => `('u', 'totp', 'x:${item}', 1, 2)`).join();
    await host.dataSource.query(`INSERT INTO mfa_usage (user_id, kind, item, spent_at, expires_at) VALUES ${rows}`);
  };
  const spyOnPurge = () =>
    vi.spyOn(
      providerNamed<{ purge(beforeMs: number, limit: number): Promise<number> }>(host, 'MfaUsageStore'),
      'purge',
    );
  const limitsOf = (purge: ReturnType<typeof spyOnPurge>) => purge.mock.calls.map(([, limit]) => limit);

  it('S61 are bounded by the option, and run until nothing is left', async () => {
    await startWith(2);
    await spend(5);
    const purge = spyOnPurge();
    expect(await cleanupOf(host).purge()).toEqual({ ...NOTHING, usage: 5 });
    expect(limitsOf(purge)).toEqual([2, 2, 2]);
    expect(await Promise.all(purge.mock.results.map(({ value }) => value))).toEqual([2, 2, 1]);
  });

  it.each(testDatabases)(
    'S61 are small on SQLite whatever the option says, and run until nothing is left: %s',
    async (database) => {
      await startWith(600, database);
      await spend(650);
      const purge = spyOnPurge();
      expect(await cleanupOf(host).purge()).toEqual({ ...NOTHING, usage: 650 });
      expect(limitsOf(purge)).toEqual(database === 'sqlite' ? [250, 250, 250] : [600, 600]);
    },
  );

  it('pause for three times as long as they took, so that other work has the database', async () => {
    await startWith(1);
    const calls: { startedAt: number; endedAt: number }[] = [];
    spyOnPurge().mockImplementation(async () => {
      const startedAt = performance.now();
      await sleep(60);
      calls.push({ startedAt, endedAt: performance.now() });
      return calls.length < 3 ? 1 : 0;
    });
    await cleanupOf(host).purge();
    const rests = calls.slice(1).map(({ startedAt }, index) => startedAt - calls[index]!.endedAt);
    expect(rests).toHaveLength(2);
    expect(Math.min(...rests)).toBeGreaterThan(170);
  });

  it('stop after the current one when the application closes', async () => {
    await startWith(1);
    const purge = spyOnPurge().mockImplementation(async () => {
      await sleep(100);
      return 1;
    });
    const running = cleanupOf(host).purge();
    const closed = host.app.close();
    expect(await running).toEqual({ ...NOTHING, usage: 1 });
    await closed;
    expect(purge).toHaveBeenCalledTimes(1);
  });

  it('yield to other work after each account that is repaired', async () => {
    await start();
    const pending = Array.from({ length: 30 }, (_, n) => new Client(host, `starter-${n}`));
    for (const user of pending) await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    await host.dataSource.query(
      `INSERT INTO mfa_backup_code (id, user_id, set_id, hash, expires_at)
       SELECT id, user_id, id, 'x', 2 FROM mfa_authenticator`,
    );
    host.clock.advance(3_600);
    let turns = 0;
    const watch = setInterval(() => (turns += 1), 0);
    const report = await cleanupOf(host).purge();
    clearInterval(watch);
    expect(report).toEqual({ ...NOTHING, authenticators: 30, backupSets: 30 });
    expect(turns).toBeGreaterThanOrEqual(50);
  });

  it('are shared: a purge that is called while one runs joins it', async () => {
    await start();
    const usage = providerNamed<{ purge(): Promise<number> }>(host, 'MfaUsageStore');
    const purge = vi.spyOn(usage, 'purge');
    await Promise.all([cleanupOf(host).purge(), cleanupOf(host).purge(), cleanupOf(host).purge()]);
    expect(purge).toHaveBeenCalledTimes(1);
    await cleanupOf(host).purge();
    expect(purge).toHaveBeenCalledTimes(2);
  });
});

@Entity({ name: 'user_session' })
class UserSession {
  @PrimaryColumn({ type: 'varchar' })
  id!: string;

  @Column({ type: 'bigint' })
  expiresAt!: number;
}

@Entity({ name: 'magic_link' })
class MagicLink {
  @PrimaryColumn({ type: 'varchar' })
  id!: string;

  @Column({ type: 'datetime', nullable: true })
  goodUntil!: Date | null;
}

describe("the host's own expiring tables", () => {
  const tables = [
    { entity: UserSession, expiresAt: 'expiresAt' },
    { entity: MagicLink, expiresAt: 'goodUntil', graceSeconds: 60 },
  ];
  const dataSource = { entities: [UserSession, MagicLink], synchronize: true };

  it('S61 are purged by the same run, a second after their expiry and not a second before', async () => {
    await start({ dataSource, options: { cleanup: { intervalSeconds: 300, tables } } });
    const expiry = host.clock.nowMs();
    const sessions = host.dataSource.getRepository(UserSession);
    const links = host.dataSource.getRepository(MagicLink);
    await sessions.insert([
      { id: 'due', expiresAt: expiry },
      { id: 'later', expiresAt: expiry + 3_600_000 },
    ]);
    await links.insert([
      { id: 'due', goodUntil: new Date(expiry) },
      { id: 'never', goodUntil: null },
    ]);
    expect(await purgeAt(expiry - 1000)).toEqual(NOTHING);
    expect(await purgeAt(expiry + 1000)).toEqual({ ...NOTHING, hostRows: 1 });
    expect(await purgeAt(expiry + 59_000)).toEqual(NOTHING);
    expect(await purgeAt(expiry + 61_000)).toEqual({ ...NOTHING, hostRows: 1 });
    expect((await sessions.find()).map(({ id }) => id)).toEqual(['later']);
    expect((await links.find()).map(({ id }) => id)).toEqual(['never']);
  });

  it.each([
    [{ entity: UserSession, expiresAt: 'validUntil' }, /no column for a property "validUntil".*`cleanup\.tables`/],
    [{ entity: UserSession, expiresAt: 'id' }, /neither dates nor epoch milliseconds.*`cleanup\.tables`/],
    [{ entity: Client, expiresAt: 'x' }, /Client is not an entity.*`cleanup\.tables`/],
  ])('end the boot where they cannot be purged: %#', async (table, message) => {
    await start();
    const setup = { dataSource, options: { cleanup: { tables: [table] } } };
    await expect(startHostApp(setup as unknown as HostAppSetup)).rejects.toThrow(message);
  });
});

describe('the schedule', () => {
  @Injectable()
  class Jobs {
    static runs = 0;

    @Interval('host-job', 1000)
    work() {
      Jobs.runs += 1;
    }
  }

  const everySecond = { cleanup: { intervalSeconds: 1 } };
  const withSchedule = { imports: [ScheduleModule.forRoot()], providers: [Jobs] };
  const spyOnPurge = () => vi.spyOn(cleanupOf(host), 'purge').mockResolvedValue(NOTHING);

  beforeEach(() => {
    Jobs.runs = 0;
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });

  it.each([
    ['without', {}],
    ['with', withSchedule],
  ])("runs once per interval %s the host's ScheduleModule", async (_, setup) => {
    await start({ ...setup, options: everySecond });
    const purge = spyOnPurge();
    vi.advanceTimersByTime(999);
    expect(purge).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(purge).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(3000);
    expect(purge).toHaveBeenCalledTimes(4);
  });

  it("does not make the host's own jobs run twice, and is in its registry", async () => {
    await start({ ...withSchedule, options: everySecond });
    spyOnPurge();
    vi.advanceTimersByTime(3000);
    expect(Jobs.runs).toBe(3);
    const registry = host.app.get(SchedulerRegistry, { strict: false });
    expect(registry.getIntervals().toSorted()).toEqual(['host-job', 'nestjs-mfa:cleanup']);
  });

  it('does not mistake a module of the host for the ScheduleModule of @nestjs/schedule', async () => {
    @Module({})
    class Own {}
    Object.defineProperty(Own, 'name', { value: ScheduleModule.name });
    await start({ imports: [Own], options: everySecond });
    const purge = spyOnPurge();
    vi.advanceTimersByTime(1000);
    expect(purge).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['without', {}],
    ['with', withSchedule],
  ])("is removed at close, %s the host's ScheduleModule", async (_, setup) => {
    await start({ ...setup, options: everySecond });
    const registry = setup === withSchedule ? host.app.get(SchedulerRegistry, { strict: false }) : null;
    const purge = spyOnPurge();
    await host.app.close();
    vi.advanceTimersByTime(10_000);
    expect(purge).not.toHaveBeenCalled();
    expect(Jobs.runs).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(registry?.getIntervals() ?? []).toEqual([]);
  });

  it('runs every five minutes by default, and never where the option turns it off', async () => {
    await start({ options: { cleanup: undefined } });
    const purge = spyOnPurge();
    vi.advanceTimersByTime(299_999);
    expect(purge).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(purge).toHaveBeenCalledTimes(1);
    await host.close();

    await start({ ...withSchedule, options: { cleanup: false } });
    const off = spyOnPurge();
    vi.advanceTimersByTime(3_600_000);
    expect(off).not.toHaveBeenCalled();
    expect(host.app.get(SchedulerRegistry, { strict: false }).getIntervals()).toEqual(['host-job']);
  });

  it('continues after a run that failed, and logs the failure', async () => {
    await start({ options: everySecond });
    const error = vi.spyOn(Logger.prototype, 'error');
    const purge = spyOnPurge().mockRejectedValueOnce(new Error('no database'));
    vi.advanceTimersByTime(1000);
    await vi.waitFor(() => expect(error).toHaveBeenCalledWith(expect.stringMatching(/Cleanup failed.*no database/)), {
      interval: 5,
    });
    vi.advanceTimersByTime(1000);
    expect(purge).toHaveBeenCalledTimes(2);
  });

  it('purges rows with real timers', async () => {
    vi.useRealTimers();
    await start({ options: everySecond });
    const user = new Client(host, 'real');
    await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    host.clock.advance(3600);
    await vi.waitFor(async () => expect(await rows('mfa_authenticator')).toEqual([]), { timeout: 5000, interval: 100 });
  });
});
