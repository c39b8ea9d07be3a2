import { BY_TEST, RESET } from '../support/reset.js';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, MfaHost } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { AFTER_COMMIT_FAULTS, AfterCommit } from '../support/after-commit.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';

describe.each(testDatabases)('a database that fails right after the commit point, on %s', (kind) => {
  let host: HostApp;
  let users = 0;
  const user = () => new Client(host, `dying-${(users += 1)}`);
  let afterCommit: AfterCommit;
  const port = <T>(token: abstract new (...args: never[]) => T): T => afterCommit.port(token);
  const admin = () => port(MfaAdminService);

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES, override: withQuickHasher });
    afterCommit = new AfterCommit(host);
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  const failAfterCommit = (...fault: Parameters<AfterCommit['fail']>) => afterCommit.fail(...fault);
  const expectDelivered = (type: string, client: Client) => afterCommit.expectDelivered(type, client);
  const cleanUp = () => afterCommit.cleanUp();
  const faults = AFTER_COMMIT_FAULTS;

  it.each(faults)(
    'S39 S60 S79 the first confirmation shows its codes and reaches the host when everything %s',
    async (fault) => {
      const owner = user();
      const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
      const { failed, healed } = failAfterCommit(fault);
      const { body } = await owner.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
      healed();
      expect(failed).toEqual(expect.arrayContaining(['settle', 'confirm', 'endFailures', 'collectAfter']));
      expect(body).toMatchObject({ enabled: true, session: { renewed: true } });
      expect(body.backupCodes).toHaveLength(4);
      await expectDelivered('mfa.authenticator.confirmed', owner);
      await cleanUp();
      await owner.signIn(phone.code());
      await owner.signIn(body.backupCodes[3]);
      expect((await owner.get('/mfa/status')).body.backupCodes.remaining).toBe(3);
    },
  );

  it.each(faults)(
    'S39 S60 S79 a regeneration shows the valid codes and reaches the host when everything %s',
    async (fault) => {
      const owner = user();
      const { authenticator, backupCodes } = await owner.enroll();
      await owner.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
      host.clock.advance(30);
      const { failed, healed } = failAfterCommit(fault);
      const { body } = await owner.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
      healed();
      expect(failed).toEqual(expect.arrayContaining(['collectAfter', 'endFailures', 'remove']));
      await expectDelivered('mfa.backup_codes.regenerated', owner);
      await cleanUp();
      await owner.verify(await owner.login(), backupCodes[0]).expect(401, /MFA_CODE_REJECTED/);
      await owner.signIn(body.backupCodes[0]);
      expect((await owner.get('/mfa/status')).body).toMatchObject({
        pendingSetup: false,
        backupCodes: { remaining: 3 },
      });
    },
  );

  it.each(faults)(
    'S59 S60 S79 a removal of one of two reaches the host, with the removed authenticator, when everything %s',
    async (fault) => {
      const owner = user();
      const stolen = await owner.enroll();
      const kept = await owner.enrollAnother(stolen.authenticator.code(), 'Kept');
      host.clock.advance(60);
      const { failed, healed } = failAfterCommit(fault);
      const path = `/mfa/authenticators/${stolen.id}/remove`;
      const { body } = await owner.post(path, { code: kept.authenticator.code() }).expect(200);
      healed();
      expect(failed).toContain('remove');
      expect(body).toMatchObject({ enabled: true, removed: { id: stolen.id, createdAt: expect.any(String) } });
      await expectDelivered('mfa.authenticator.removed', owner);
      await cleanUp();
      await owner.verify(await owner.login(), stolen.authenticator.code()).expect(401);
      await owner.signIn(kept.authenticator.code());
    },
  );

  it.each(faults)('S59 S60 S79 a disabling reaches the host when everything %s', async (fault) => {
    const owner = user();
    const { authenticator } = await owner.enroll();
    const { failed, healed } = failAfterCommit(fault);
    await owner.post('/mfa/disable', { code: authenticator.code() }).expect(200, { enabled: false });
    healed();
    expect(failed).toContain('remove');
    await expectDelivered('mfa.disabled', owner);
    await cleanUp();
    expect((await owner.loginAnswer()).body).toHaveProperty('accessToken');
  });

  it.each(faults)('S60 S79 a reset by an administrator reaches the host when everything %s', async (fault) => {
    const owner = user();
    await owner.enroll();
    const { failed, healed } = failAfterCommit(fault);
    await admin().reset(owner.userId, RESET);
    healed();
    expect(failed).toEqual(expect.arrayContaining(['remove', 'clearBudgets']));
    await expectDelivered('mfa.reset', owner);
  });

  it.each(faults)(
    'S60 S79 a purge reaches the host when everything %s, and its repetition finishes it',
    async (fault) => {
      const owner = user();
      await owner.enroll();
      const { healed } = failAfterCommit(fault, [MfaAccountStore, 'remove']);
      await admin()
        .purgeUser(owner.userId, BY_TEST)
        .catch(() => undefined);
      healed();
      await expectDelivered('mfa.disabled', owner);
      await admin().purgeUser(owner.userId, BY_TEST);
      expect(await port(MfaAccountStore).load(owner.userId)).toBeNull();
      expect(await port(MfaAuthenticatorStore).removeAll(owner.userId)).toBe(0);
    },
  );

  it('S60 S79 a purge that died before it called the host is reported by its repetition', async () => {
    const owner = user();
    await owner.enroll();
    const accounts = port(MfaAccountStore);
    const remove = accounts.remove.bind(accounts);
    vi.spyOn(accounts, 'remove').mockImplementationOnce(async (id) => {
      await remove(id);
      throw new Error('connection reset');
    });
    await expect(admin().purgeUser(owner.userId, BY_TEST)).rejects.toThrow('connection reset');
    await admin().purgeUser(owner.userId, BY_TEST);
    await expectDelivered('mfa.disabled', owner);
  });

  it.each(faults)(
    'S14 S79 a setup shows its secret, and a cancelled setup stays cancelled, when everything %s',
    async (fault) => {
      const owner = user();
      const first = failAfterCommit(fault);
      const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      first.healed();
      const second = failAfterCommit(fault);
      const { body } = await owner.post('/mfa/setup/cancel').expect(200);
      second.healed();
      expect(body).toMatchObject({ pendingSetup: false });
      const code = new VirtualAuthenticator(setup.body.otpauthUri, host.clock).code();
      await owner.post('/mfa/totp/confirm', { code }).expect(404, /MFA_SETUP_NOT_FOUND/);
    },
  );

  it.each(faults)('a renamed authenticator is returned when everything %s', async (fault) => {
    const owner = user();
    const { id } = await owner.enroll();
    const { healed } = failAfterCommit(fault, [MfaAuthenticatorStore, 'rename']);
    const { body } = await owner.patch(`/mfa/authenticators/${id}`, { name: 'New' }).expect(200);
    healed();
    expect(body).toMatchObject({ id, type: 'totp', name: 'New' });
  });

  it('S60 S79 the host is called for every change before any row is cleaned up', async () => {
    const owner = user();
    const adapter = host.app.get<MfaHost>(MfaHost, { strict: false });
    const revokeSessions = adapter.revokeSessions!.bind(adapter);
    const told: string[] = [];
    /** Runs the change on a database that dies behind its commit, and notes what had failed when the host was told. */
    const changing = async (change: () => PromiseLike<unknown>) => {
      const { failed, healed } = failAfterCommit('throws');
      vi.spyOn(adapter, 'revokeSessions').mockImplementation((change, context) => {
        told.push([change.type, ...failed].join(' '));
        return revokeSessions(change, context);
      });
      await change();
      expect(failed.length).toBeGreaterThan(0);
      healed();
      host.clock.advance(60);
    };

    const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    await changing(() => owner.post('/mfa/totp/confirm', { code: phone.code() }).expect(200));
    await changing(() => owner.post('/mfa/backup-codes/regenerate', { code: phone.code() }).expect(200));
    const { id } = await owner.enrollAnother(phone.code());
    await changing(() => owner.post(`/mfa/authenticators/${id}/remove`, { code: phone.code() }).expect(200));
    await changing(() => owner.post('/mfa/disable', { code: phone.code() }).expect(200));
    await owner.enroll();
    await changing(() => admin().reset(owner.userId, RESET));
    expect(told).toEqual([
      'mfa.authenticator.confirmed',
      'mfa.backup_codes.regenerated',
      'mfa.authenticator.removed',
      'mfa.disabled',
      'mfa.reset',
    ]);
  });

  it('S39 hooks that throw lose neither the codes nor the change', async () => {
    const owner = user();
    const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    const adapter = host.app.get<MfaHost>(MfaHost, { strict: false });
    const down = () => {
      throw new Error('down');
    };
    const hooks = ['revokeSessions', 'notify', 'completeStepUp'];
    for (const hook of hooks) Object.defineProperty(adapter, hook, { value: down, configurable: true });
    const { body } = await owner.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    expect(body.backupCodes).toHaveLength(4);
    host.clock.advance(30);
    const next = await owner.post('/mfa/backup-codes/regenerate', { code: phone.code() }).expect(200);
    for (const hook of hooks) Reflect.deleteProperty(adapter, hook);
    await owner.signIn(next.body.backupCodes[0]);
  });

  it('S79 a change reaches the host when its commit succeeds while its connection fails', async () => {
    const owner = user();
    const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    const accounts = port(MfaAccountStore);
    const commit = accounts.commit.bind(accounts);
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      await commit(...args);
      throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    });
    const { body } = await owner.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    expect(body.backupCodes).toHaveLength(4);
    await expectDelivered('mfa.authenticator.confirmed', owner);
  });
});
