import { BY_TEST, RESET } from '../support/reset.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Injectable } from '@nestjs/common';
import { MfaAdminService, MfaCleanupService, MfaHost, type MfaPrincipal } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { Client } from '../support/client.js';
import { AuthService, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

const DAY = 24 * 60 * 60;
let whilePasswordIsChecked: (() => Promise<void>) | undefined;

/** As slow as Argon2, bcrypt or LDAP are. */
@Injectable()
class SlowPasswordHost extends TestHost {
  constructor(auth: AuthService) {
    super(auth);
  }

  override verifyPassword(_principal: MfaPrincipal, password: string): any {
    const during = whilePasswordIsChecked;
    whilePasswordIsChecked = undefined;
    return (during?.() ?? Promise.resolve()).then(() => password === PASSWORD);
  }
}

describe('interleavings', () => {
  let host: HostApp;
  beforeEach(async () => {
    host = await startHostApp({ host: SlowPasswordHost });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await host.close();
  });

  const port = <T>(token: abstract new (...args: never[]) => T): T => host.app.get(token as never, { strict: false });
  const query = (text: string): Promise<any[]> => host.dataSource.query(text);

  it('S12 S13 a setup with a password never shows the secret of an authenticator that is confirmed at the same time', async () => {
    const owner = new Client(host, 'owner');
    const thief = new Client(host, 'owner');
    const first = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const app = new VirtualAuthenticator(first.body.otpauthUri, host.clock);
    whilePasswordIsChecked = async () => {
      await owner.post('/mfa/totp/confirm', { code: app.code() }).expect(200);
    };
    const stolen = await thief.post('/mfa/totp/setup', { password: PASSWORD });
    // By now the secret is live: a code is the only proof (S12), and nothing ever shows it again.
    expect(stolen.body.secret).not.toBe(first.body.secret);
    expect(stolen.status).toBe(401);
  });

  it('S12 a setup with a password adds no second authenticator to an account that is enrolled at the same time', async () => {
    const options = { enrollment: { maxAuthenticators: 1 } };
    const one = await startHostApp({ on: host.database, host: SlowPasswordHost, options });
    const two = await startHostApp({ on: host.database, host: SlowPasswordHost, options });
    try {
      const thief = new Client(one, 'owner');
      const owner = new Client(two, 'owner');
      whilePasswordIsChecked = async () => void (await owner.enroll());
      const setup = await thief.post('/mfa/totp/setup', { password: PASSWORD });
      if (setup.status === 200) {
        const other = new VirtualAuthenticator(setup.body.otpauthUri, one.clock);
        await thief.post('/mfa/totp/confirm', { code: other.code() });
      }
      expect((await owner.get('/mfa/status').expect(200)).body.authenticators).toHaveLength(1);
    } finally {
      await one.close();
      await two.close();
    }
  });

  it('the removal of the only authenticator while another one is confirmed does not disable MFA', async () => {
    const user = new Client(host, 'mover');
    const { authenticator, backupCodes, id } = await user.enroll();
    const setup = await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
    const next = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    // While the removal's backup code is hashed, the confirmation of the new phone comes in.
    const usage = port(MfaUsageStore);
    const spend = usage.spend.bind(usage);
    vi.spyOn(usage, 'spend').mockImplementationOnce(async (spending) => {
      const won = await spend(spending);
      const confirmed = await user.post('/mfa/totp/confirm', { code: next.code() });
      expect(confirmed.body).toMatchObject({ enabled: true });
      return won;
    });
    await user.post(`/mfa/authenticators/${id}/remove`, { code: backupCodes[0] });
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body.enabled).toBe(true);
  });

  it('S43a a reset by an administrator parallel to a change disables MFA, and never throws MFA_NOT_ENABLED', async () => {
    const user = new Client(host, 'lost-phone');
    await user.enroll();
    const admin = port(MfaAdminService);
    const accounts = port(MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      await admin.invalidate(user.userId, BY_TEST); // as a parallel password change does
      return commit(...args);
    });
    await expect(admin.reset(user.userId, RESET)).resolves.toBeUndefined();
    expect((await user.get('/mfa/status')).body.enabled).toBe(false);
  });

  it('S61 usage rows of backup codes are removed after a disabling that stopped half-way', async () => {
    const user = new Client(host, 'crash-1');
    const { authenticator, backupCodes } = await user.enroll();
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    // The process dies between the two statements of MfaBackupCodeStore.remove.
    await query(
      `CREATE TRIGGER die BEFORE DELETE ON mfa_usage WHEN OLD.kind = 'backup_code' BEGIN SELECT RAISE(ABORT, 'died'); END`,
    );
    await user.post('/mfa/disable', { code: authenticator.code() });
    await query('DROP TRIGGER die');
    for (let day = 0; day < 3; day += 1) {
      host.clock.advance(DAY);
      await port(MfaCleanupService).purge();
    }
    expect(await query('SELECT COUNT(*) AS n FROM mfa_backup_code')).toEqual([{ n: 0 }]);
    expect(await query('SELECT kind FROM mfa_usage')).toEqual([]);
  });

  it('S61 backup codes are removed after a regeneration that lost a race and stopped half-way', async () => {
    const user = new Client(host, 'crash-2');
    const { authenticator } = await user.enroll();
    const codes = port(MfaBackupCodeStore);
    const accounts = port(MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    let first = true;
    vi.spyOn(accounts, 'commit').mockImplementation(async (...args) => {
      if (first) {
        first = false;
        // A second regeneration is through before this one's commit ...
        await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code(1) }).expect(200);
        const won = await commit(...args);
        expect(won).toBe(false);
        return won;
      }
      return commit(...args);
    });
    const remove = codes.remove.bind(codes);
    let removals = 0;
    vi.spyOn(codes, 'remove').mockImplementation(async (...args) => {
      removals += 1;
      // ... and the process of the first one dies right after its own commit.
      if (removals === 2) throw new Error('died');
      return remove(...args);
    });
    await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() });
    vi.restoreAllMocks();
    for (let day = 0; day < 3; day += 1) {
      host.clock.advance(DAY);
      await port(MfaCleanupService).purge();
    }
    expect(await query('SELECT COUNT(DISTINCT set_id) AS sets FROM mfa_backup_code')).toEqual([{ sets: 1 }]);
  });

  it('S39 the count of backup codes is right after the process died while spending one', async () => {
    const user = new Client(host, 'crash-3');
    const { backupCodes } = await user.enroll();
    const codes = port(MfaBackupCodeStore);
    vi.spyOn(codes, 'markUsed').mockRejectedValueOnce(new Error('died'));
    await user.verify(await user.login(), backupCodes[0]);
    await user.verify(await user.login(), backupCodes[0]).expect(401);
    host.clock.advance(DAY);
    await port(MfaCleanupService).purge();
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(9);
  });

  it('S39 new backup codes are returned when revokeSessions fails', async () => {
    const user = new Client(host, 'redis-down');
    const { backupCodes } = await user.enroll();
    vi.spyOn(host.app.get(MfaHost, { strict: false }), 'revokeSessions').mockImplementation(() => {
      throw new Error('the session store is down');
    });
    // Phone lost: the last backup code buys a new set, and the old set dies with it.
    const answer = await user.post('/mfa/backup-codes/regenerate', { code: backupCodes[0] }).expect(200);
    vi.restoreAllMocks();
    await user.verify(await user.login(), backupCodes[1]).expect(401);
    await user.verify(await user.login(), answer.body.backupCodes[0]).expect(200);
  });

  it('a password check that never returns does not block a later setup of the same user', async () => {
    const user = new Client(host, 'ldap');
    let release!: () => void;
    whilePasswordIsChecked = () => new Promise((resolve) => (release = resolve));
    const hanging = user.post('/mfa/totp/setup', { password: PASSWORD }).then((answer) => answer);
    await vi.waitUntil(() => whilePasswordIsChecked === undefined);
    const second = user.post('/mfa/totp/setup', { password: PASSWORD }).then(({ status }) => status);
    const outcome = await Promise.race([
      second,
      new Promise<string>((resolve) => setTimeout(() => resolve('hangs'), 8_000)),
    ]);
    release();
    await Promise.all([hanging, second]);
    expect(outcome).toBe(200);
  });
});
