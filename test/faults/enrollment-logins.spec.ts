import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, MfaHost } from 'nestjs-mfa';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { AFTER_COMMIT_FAULTS, AfterCommit } from '../support/after-commit.js';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { newUser as userOf, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };

describe.each(testDatabases)('faults of an enrollment within a login on %s', (database) => {
  let host: HostApp;
  let afterCommit: AfterCommit;
  let users = 0;
  const newUser = () => userOf(host, `failing-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES, override: withQuickHasher });
    afterCommit = new AfterCommit(host);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    PolicyHost.restore();
  });
  afterAll(() => host.close());

  it.each(AFTER_COMMIT_FAULTS)('S39 S79 S100 the confirmation shows its codes when everything %s', async (fault) => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const app = await user.setupTotpBy(mfa_token);
    const { healed } = afterCommit.fail(fault);
    const { body } = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(200);
    healed();
    expect(body).toMatchObject({ enabled: true });
    expect(body).not.toHaveProperty('login');
    expect(body.backupCodes).toHaveLength(4);
    await afterCommit.expectDelivered('mfa.authenticator.confirmed', user);
    await afterCommit.cleanUp();
    await user.signIn(app.code());
    await user.signIn(body.backupCodes[3]);
  });

  it.each(AFTER_COMMIT_FAULTS)('S39 S79 S104 a recovery replaces the factors when everything %s', async (fault) => {
    const user = newUser();
    const old = await user.enroll();
    const { code } = await host.app.get(MfaAdminService).issueRecoveryCode(user.userId, AGENT);
    const proof = { mfa_token: await user.login(), code, method: 'recovery_code' };
    const { mfa_token } = (await user.send('/mfa/verify', proof).expect(200)).body;
    const app = await user.setupTotpBy(mfa_token);
    const { healed } = afterCommit.fail(fault);
    const { body } = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(200);
    healed();
    expect(body.backupCodes).toHaveLength(4);
    await afterCommit.expectDelivered('mfa.recovered', user);
    await afterCommit.cleanUp();
    await user.verify(await user.login(), old.authenticator.code()).expect(401);
    await user.verify(await user.login(), old.backupCodes[0]).expect(401);
    await user.signIn(app.code());
    await user.signIn(body.backupCodes[3]);
    const rows = (table: string) =>
      host.dataSource.query(`SELECT * FROM ${table} WHERE user_id = '${user.userId}'`) as Promise<object[]>;
    expect(await rows('mfa_authenticator')).toHaveLength(1);
    expect(await rows('mfa_backup_code')).toHaveLength(4);
  });

  it.each<[string, () => unknown]>([
    ['returns null', () => null],
    ['returns nothing', () => undefined],
    [
      'throws',
      () => {
        throw new Error('sessions are down');
      },
    ],
  ])('S39 S71 S100 keeps the factor and opens no session when completeLogin %s', async (_, completeLogin) => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const app = await user.setupTotpBy(mfa_token);
    const adapter = host.app.get(MfaHost, { strict: false });
    vi.spyOn(adapter, 'completeLogin').mockImplementation(completeLogin);
    const { body } = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(200);
    expect(body).not.toHaveProperty('login');
    expect(body.backupCodes).toHaveLength(4);
    vi.restoreAllMocks();
    host.clock.advance(30);
    await user.signIn(app.code());
  });

  it('S71 S100 opens no session where the factors change while the host opens it', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const app = await user.setupTotpBy(mfa_token);
    const adapter = host.app.get(MfaHost, { strict: false });
    const open = adapter.completeLogin.bind(adapter);
    vi.spyOn(adapter, 'completeLogin').mockImplementation(async (login, context) => {
      const opened = await open(login, context);
      await host.app.get(MfaAdminService).reset(user.userId, AGENT);
      return opened;
    });
    const { body } = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(200);
    expect(body).not.toHaveProperty('login');
    expect(host.state.revocations).toContain(`mfa.login.superseded ${user.userId}`);
    expect([...host.state.sessions.values()].some(({ userId }) => userId === user.userId)).toBe(false);
    vi.restoreAllMocks();
    await user.mustEnroll();
  });

  it.each<[string, abstract new (...args: never[]) => object, string]>([
    ['the spending', MfaUsageStore, 'spend'],
    ['the commit', MfaAccountStore, 'commit'],
  ])('S100 enrolls nothing and opens no session when %s fails', async (_, store, method) => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const app = await user.setupTotpBy(mfa_token);
    const instance = host.app.get<Record<string, () => unknown>>(store as never, { strict: false });
    vi.spyOn(instance, method).mockRejectedValue(new Error('down'));
    const logins = host.state.completedLogins.length;
    const { status } = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() });
    expect(status).toBeGreaterThanOrEqual(500);
    vi.restoreAllMocks();
    expect(host.state.completedLogins).toHaveLength(logins);
    const again = await user.mustEnroll();
    host.clock.advance(30);
    const { confirmed } = await user.enrollTotpBy(again.mfa_token);
    expect(confirmed.body.login).toEqual({ accessToken: expect.any(String) as string });
  });
});
