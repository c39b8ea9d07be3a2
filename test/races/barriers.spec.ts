import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaCleanupService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** Holds callers until so many have come, then lets all go at once. */
class Barrier {
  private waiting: (() => void)[] = [];
  constructor(private readonly size: number) {}

  async pass(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
      if (this.waiting.length < this.size) return;
      this.waiting.forEach((go) => go());
    });
  }
}

const statuses = (answers: Response[]) => answers.map(({ status }) => status).sort();

/** Requests that certainly overlap: each has passed every check before the first one writes. */
describe.each(testDatabases)('requests held at the same write, on %s', (kind) => {
  let host: HostApp;
  let users = 0;
  const restore: (() => void)[] = [];
  const newUser = () => new Client(host, `held-${(users += 1)}`);

  beforeAll(async () => {
    const pool =
      kind === 'postgres' ? { extra: { max: 20 } } : kind === 'mariadb' ? { extra: { connectionLimit: 20 } } : {};
    // Without a password's turns, so that setups overlap as well.
    host = await startHostApp({ database: kind, dataSource: pool, options: { enrollment: { proof: 'session-only' } } });
  });
  afterEach(() => restore.splice(0).forEach((undo) => undo()));
  afterAll(() => host.close());

  /** Every call of the method waits until `size` calls are there. */
  function hold(
    token: typeof MfaVerificationStore | typeof MfaAccountStore,
    method: 'spendAndSettle' | 'commit',
    size: number,
  ): void {
    const instance = host.app.get<Record<string, (...args: unknown[]) => Promise<unknown>>>(token as never, {
      strict: false,
    });
    const real = instance[method]!.bind(instance);
    const barrier = new Barrier(size);
    let left = size;
    instance[method] = async (...args) => {
      if (left > 0) {
        left -= 1;
        await barrier.pass();
      }
      return real(...args);
    };
    restore.push(() => delete instance[method]);
  }

  it('S28 with the same matching TOTP step: one of four spends it', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const tokens = await Promise.all([1, 2, 3, 4].map(() => user.login()));
    hold(MfaVerificationStore, 'spendAndSettle', 4);
    const answers = await Promise.all(tokens.map((token) => user.verify(token, authenticator.code())));
    expect(statuses(answers)).toEqual([200, 401, 401, 401]);
  });

  it('S27 S28 with the same code: one of a login, a step-up, a regeneration and a removal succeeds', async () => {
    const user = newUser();
    const { authenticator, id } = await user.enroll();
    const token = await user.login();
    const code = authenticator.code();
    hold(MfaVerificationStore, 'spendAndSettle', 4);
    const answers = await Promise.all([
      user.verify(token, code),
      user.post('/mfa/step-up', { code }),
      user.post('/mfa/backup-codes/regenerate', { code }),
      user.post(`/mfa/authenticators/${id}/remove`, { code }),
    ]);
    expect(statuses(answers)).toEqual([200, 401, 401, 401]);
  });

  it('S32 with the same backup code: one of four spends it', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const tokens = await Promise.all([1, 2, 3, 4].map(() => user.login()));
    hold(MfaVerificationStore, 'spendAndSettle', 4);
    const answers = await Promise.all(tokens.map((token) => user.verify(token, backupCodes[0])));
    expect(statuses(answers)).toEqual([200, 401, 401, 401]);
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(9);
  });

  it('S34 with four valid codes for one mfa_token: one code is spent, and the other three stay valid', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const token = await user.login();
    hold(MfaVerificationStore, 'spendAndSettle', 4);
    const answers = await Promise.all(backupCodes.slice(0, 4).map((code) => user.verify(token, code)));
    expect(statuses(answers)).toEqual([200, 401, 401, 401]);
    expect(answers.filter(({ status }) => status === 401).map(({ body }) => body.code)).toEqual(
      Array(3).fill('MFA_CODE_REJECTED'),
    );
    const losers = backupCodes.slice(0, 4).filter((_, index) => answers[index]!.status === 401);
    for (const code of losers) await user.verify(await user.login(), code).expect(200);
  });

  it('S14 with twenty different secrets of one setup: one secret is pending, and every response has it', async () => {
    const user = newUser();
    hold(MfaAccountStore, 'commit', 20);
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.post('/mfa/totp/setup')));
    expect(statuses(answers)).toEqual(Array(20).fill(200));
    const setups = answers.map(({ body }) => body as { secret: string; authenticatorId: string });
    expect(new Set(setups.map(({ secret }) => secret)).size).toBe(1);
    expect(new Set(setups.map(({ authenticatorId }) => authenticatorId)).size).toBe(1);
  });

  it('S17 with three confirmations by three valid codes: one commits, and one set of codes exists', async () => {
    const user = newUser();
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const app = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    hold(MfaAccountStore, 'commit', 3);
    const answers = await Promise.all(
      [-1, 0, 1].map((steps) => user.post('/mfa/totp/confirm', { code: app.code(steps) })),
    );
    expect(statuses(answers)).toEqual([200, 401, 401]);
    const status = (await user.get('/mfa/status')).body;
    expect(status).toMatchObject({ enabled: true, backupCodes: { remaining: 10 } });
    expect(status.authenticators).toHaveLength(1);
  });

  it('S33 with a matching code of the old set: the use loses to the regeneration', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    const spend = holdOne(host, 'backup_code');
    restore.push(spend.restore);
    const use = user.verify(token, backupCodes[0]).then((answer) => answer);
    await spend.arrived;
    const regenerated = await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
    spend.release();
    expect((await use).status).toBe(401);
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(10);
    await user.verify(await user.login(), regenerated.body.backupCodes[0]).expect(200);
  });

  it('S43 S59 with a matching code while MFA is disabled: the verification issues nothing', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    const spend = holdOne(host, 'backup_code');
    restore.push(spend.restore);
    const use = user.verify(token, backupCodes[0]).then((answer) => answer);
    await spend.arrived;
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    spend.release();
    expect((await use).body.code).toBe('MFA_CODE_REJECTED');
  });

  it('S61 next to parallel cleanups: no usage row is removed that is still needed', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const code = authenticator.code();
    const cleanup = host.app.get(MfaCleanupService);
    const token = await user.login();
    const [answer] = await Promise.all([user.verify(token, code), cleanup.purge(), cleanup.purge()]);
    expect(answer.status).toBe(200);
    for (let elapsed = 0; elapsed < 90; elapsed += 30) {
      await Promise.all([cleanup.purge(), user.verify(await user.login(), code).expect(401)]);
      host.clock.advance(30);
    }
    expect((await user.get('/mfa/status')).body.enabled).toBe(true);
  });

  it('S61 by two instances that purge the same rows: each row is removed once', async () => {
    const other = await startHostApp({ on: host.database, dataSource: { migrationsRun: false } });
    try {
      const user = newUser();
      await user.enroll();
      const { body } = await newUser().post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      expect(body.secret).toBeTruthy();
      host.clock.advance(3 * 3_600);
      other.clock.set(host.clock.nowMs());
      const expired = 'SELECT COUNT(*) AS count FROM mfa_usage WHERE expires_at IS NOT NULL';
      const [{ count }] = await host.dataSource.query(expired);
      const reports = await Promise.all([host, other].map(({ app }) => app.get(MfaCleanupService).purge()));
      expect(Number(count)).toBeGreaterThan(0);
      expect(reports[0]!.usage + reports[1]!.usage).toBe(Number(count));
      const again = await host.app.get(MfaCleanupService).purge();
      expect(again).toMatchObject({ usage: 0, authenticators: 0, backupSets: 0 });
      expect((await user.get('/mfa/status')).body.enabled).toBe(true);
    } finally {
      await other.close();
    }
  });
});

/** Holds the first spending of that kind until it is released. */
function holdOne(host: HostApp, kind: string) {
  const store = host.app.get(MfaVerificationStore, { strict: false });
  const real = store.spendAndSettle.bind(store);
  let arrive!: () => void;
  let release!: () => void;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  store.spendAndSettle = async (completion) => {
    if (completion.entries[0]?.kind === kind) {
      arrive();
      await released;
    }
    return real(completion);
  };
  return { arrived, release, restore: () => void delete (store as { complete?: unknown }).complete };
}
