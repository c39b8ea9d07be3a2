import { BY_TEST } from '../support/reset.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

/** A pool without a free connection, or a statement over its deadline, behind the commit point. */
const busy = () => Promise.reject(new MfaError('MFA_BUSY', { retryAfterSeconds: 1 }));

describe('a database that is busy once, right after the commit point of a change', () => {
  let host: HostApp;
  let users = 0;
  beforeEach(async () => {
    host = await startHostApp({ options: { ...PASSKEYS, ...FEW_CODES } });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await host.close();
  });
  const port = <T>(token: abstract new (...args: never[]) => T): T => host.app.get(token as never, { strict: false });
  const told = (type: string, userId: string) =>
    host.state.events.some((event) => event.type === type && event.userId === userId);
  const revoked = (change: string, userId: string) => host.state.revocations.includes(`${change} ${userId}`);
  const user = () => new Client(host, `late-${(users += 1)}`);

  it('S60 a committed disabling ends the sessions and is an event', async () => {
    const owner = user();
    const { authenticator } = await owner.enroll();
    vi.spyOn(port(MfaAuthenticatorStore), 'remove').mockImplementationOnce(busy);
    await owner.post('/mfa/disable', { code: authenticator.code() });
    expect((await owner.get('/mfa/status')).body.enabled).toBe(false);
    expect({ told: told('mfa.disabled', owner.userId), revoked: revoked('mfa.disabled', owner.userId) }).toEqual({
      told: true,
      revoked: true,
    });
  });

  it('S60 a committed removal of one authenticator ends the sessions and is an event', async () => {
    const owner = user();
    const { authenticator, id } = await owner.enroll();
    await owner.enrollAnother(authenticator.code());
    host.clock.advance(60);
    vi.spyOn(port(MfaAuthenticatorStore), 'remove').mockImplementationOnce(busy);
    await owner.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() });
    expect((await owner.get('/mfa/status')).body.authenticators).toHaveLength(1);
    expect(told('mfa.authenticator.removed', owner.userId)).toBe(true);
  });

  it.each([
    ['codes.collectAfter', MfaBackupCodeStore, 'collectAfter', 1],
    ['accounts.settle', MfaAccountStore, 'settle', 0],
    ['codes.remove', MfaBackupCodeStore, 'remove', 0],
  ] as const)('S39 S60 a regeneration shows the valid codes when %s is busy', async (_, store, method, skip) => {
    const owner = user();
    const { authenticator, backupCodes } = await owner.enroll();
    const instance = port(store as never) as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const real = instance[method]!.bind(instance);
    let calls = 0;
    vi.spyOn(instance, method).mockImplementation((...args) => {
      const own = method === 'settle' && args[1] !== 'backup_code';
      if (own) return real(...args);
      calls += 1;
      return calls === skip + 1 ? busy() : real(...args);
    });
    const answer = await owner.post('/mfa/backup-codes/regenerate', { code: authenticator.code() });
    vi.restoreAllMocks();
    const old = await owner.verify(await owner.login(), backupCodes[0]);
    // Either the change did not happen and the old codes live, or it did and the new ones were shown and told.
    expect({ oldCodesLive: old.status === 200, shown: answer.body.backupCodes !== undefined }).not.toEqual({
      oldCodesLive: false,
      shown: false,
    });
    expect(told('mfa.backup_codes.regenerated', owner.userId)).toBe(true);
  });

  it.each([
    ['authenticators.confirm', MfaAuthenticatorStore, 'confirm'],
    ['codes.collectAfter', MfaBackupCodeStore, 'collectAfter'],
    ['accounts.settle', MfaAccountStore, 'settle'],
  ] as const)(
    'S39 S60 a confirmation shows the backup codes and emits the event when %s is busy',
    async (_, store, method) => {
      const owner = user();
      const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
      const instance = port(store as never) as Record<string, (...args: unknown[]) => Promise<unknown>>;
      vi.spyOn(instance, method).mockImplementationOnce(busy);
      const answer = await owner.post('/mfa/totp/confirm', { code: phone.code() });
      vi.restoreAllMocks();
      host.clock.advance(30);
      const again = await owner.post('/mfa/totp/confirm', { code: phone.code() });
      const { body } = await owner.get('/mfa/status');
      expect(body.enabled).toBe(true);
      expect(told('mfa.authenticator.confirmed', owner.userId), 'event').toBe(true);
      expect(answer.body.backupCodes ?? again.body.backupCodes, 'backup codes').toBeDefined();
    },
  );

  it.each([
    ['passkeys.collectAfter', MfaPasskeyStore, 'collectAfter'],
    ['codes.collectAfter', MfaBackupCodeStore, 'collectAfter'],
    ['accounts.endFailures', MfaAccountStore, 'endFailures'],
  ] as const)(
    'S39 S60 a confirmation of a passkey shows the backup codes and emits the event when %s is busy',
    async (_, store, method) => {
      const owner = new PasskeyClient(host, 'keyed');
      const key = newKey();
      const passkey = key.create((await owner.setupPasskey().expect(200)).body.options);
      const spy = vi.spyOn(port(store as never) as Record<string, () => Promise<unknown>>, method);
      spy.mockImplementationOnce(busy);
      const { body } = await owner.confirmPasskey(passkey).expect(200);
      expect(spy).toHaveBeenCalled();
      expect(body.backupCodes).toHaveLength(4);
      expect(told('mfa.authenticator.confirmed', owner.userId)).toBe(true);
      expect((await owner.signInByPasskey(key)).status).toBe(200);
    },
  );

  it('S60 a committed removal of a passkey ends the sessions and is an event', async () => {
    const owner = new PasskeyClient(host, 'keyed');
    const [kept, lost] = [newKey(), newKey()];
    await owner.addPasskey(kept);
    await owner.addPasskey(lost, { passkey: await owner.prove(kept) });
    const [, { id }] = (await owner.get('/mfa/status')).body.authenticators;
    const passkey = await owner.prove(kept);
    vi.spyOn(port(MfaPasskeyStore), 'remove').mockImplementationOnce(busy);
    await owner.post(`/mfa/authenticators/${id}/remove`, { passkey }).expect(200);
    expect((await owner.get('/mfa/status')).body.authenticators).toHaveLength(1);
    expect({
      told: told('mfa.authenticator.removed', owner.userId),
      revoked: revoked('mfa.authenticator.removed', owner.userId),
    }).toEqual({ told: true, revoked: true });
  });

  it('S60 a repeated purgeUser calls revokeSessions and emits the event', async () => {
    const owner = user();
    await owner.enroll();
    const admin = port(MfaAdminService);
    vi.spyOn(port(MfaAuthenticatorStore), 'removeAll').mockImplementationOnce(busy);
    await admin.purgeUser(owner.userId, BY_TEST).catch(() => undefined);
    await admin.purgeUser(owner.userId, BY_TEST);
    expect({ told: told('mfa.disabled', owner.userId), revoked: revoked('mfa.disabled', owner.userId) }).toEqual({
      told: true,
      revoked: true,
    });
  });

  it('S60 a repeated purgeUser calls revokeSessions though the user began a setup in between', async () => {
    const owner = user();
    await owner.enroll();
    const admin = port(MfaAdminService);
    const accounts = port(MfaAccountStore);
    const remove = accounts.remove.bind(accounts);
    vi.spyOn(accounts, 'remove').mockImplementationOnce(async (...args) => {
      await remove(...args);
      throw new Error('the process died');
    });
    await expect(admin.purgeUser(owner.userId, BY_TEST)).rejects.toThrow('the process died');
    await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    await admin.purgeUser(owner.userId, BY_TEST);
    expect(revoked('mfa.disabled', owner.userId)).toBe(true);
  });

  it('S60 purgeUser of a user with only a pending setup does not call revokeSessions', async () => {
    const owner = user();
    await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    await port(MfaAdminService).purgeUser(owner.userId, BY_TEST);
    expect(revoked('mfa.disabled', owner.userId)).toBe(false);
  });
});
