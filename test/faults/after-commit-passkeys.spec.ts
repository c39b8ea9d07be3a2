import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { AFTER_COMMIT_FAULTS, AfterCommit } from '../support/after-commit.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';
import { withQuickHasher } from '../support/quick-hasher.js';

describe.each(testDatabases)('a database that fails right after the commit point of a passkey, on %s', (kind) => {
  let host: HostApp;
  let afterCommit: AfterCommit;
  let users = 0;
  const newUser = () => new PasskeyClient(host, `dying-${(users += 1)}`);
  const idsOf = async (user: PasskeyClient): Promise<string[]> =>
    (await user.get('/mfa/status').expect(200)).body.authenticators.map(({ id }: { id: string }) => id);

  beforeAll(async () => {
    host = await startHostApp({
      database: kind,
      options: { ...PASSKEYS, ...FEW_CODES },
      override: withQuickHasher,
    });
    afterCommit = new AfterCommit(host);
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it.each(AFTER_COMMIT_FAULTS)(
    'S39 S60 S79 the confirmation of the first passkey shows its codes and reaches the host when everything %s',
    async (fault) => {
      const owner = newUser();
      const key = newKey();
      const passkey = key.create((await owner.setupPasskey().expect(200)).body.options);
      const { failed, healed } = afterCommit.fail(fault);
      const { body } = await owner.confirmPasskey(passkey).expect(200);
      healed();
      expect(failed).toEqual(expect.arrayContaining(['collectAfter', 'endFailures']));
      expect(body).toMatchObject({ enabled: true, session: { renewed: true } });
      expect(body.backupCodes).toHaveLength(4);
      await afterCommit.expectDelivered('mfa.authenticator.confirmed', owner);
      // Its row still had an expiry, and the cleanup must keep it.
      await afterCommit.cleanUp();
      expect((await owner.signInByPasskey(key)).status).toBe(200);
      await owner.signIn(body.backupCodes[3]);
    },
  );

  it.each(AFTER_COMMIT_FAULTS)(
    'S60 S79 S81 a removed passkey stays removed, reaches the host, and can be registered again, when everything %s',
    async (fault) => {
      const owner = newUser();
      const [kept, lost] = [newKey(), newKey()];
      const credentialId = randomBytes(32).toString('base64url');
      await owner.addPasskey(kept);
      const next = await owner.setupPasskey({ passkey: await owner.prove(kept) }).expect(200);
      await owner.confirmPasskey(lost.create(next.body.options, { credentialId })).expect(200);
      const [, id] = await idsOf(owner);
      const { mfa_token, options } = await owner.startPasskeyLogin();
      const passkey = await owner.prove(kept);
      const { failed, healed } = afterCommit.fail(fault);
      const { body } = await owner.post(`/mfa/authenticators/${id}/remove`, { passkey }).expect(200);
      healed();
      expect(failed).toContain('remove');
      expect(body).toMatchObject({ enabled: true, removed: { id, type: 'passkey' } });
      await afterCommit.expectDelivered('mfa.authenticator.removed', owner);
      expect((await owner.verifyPasskey(mfa_token, lost.get(options))).status).toBe(401);
      await afterCommit.cleanUp();
      expect((await owner.signInByPasskey(kept)).status).toBe(200);
      const other = newUser();
      const again = await other.setupPasskey().expect(200);
      await other.confirmPasskey(lost.create(again.body.options, { credentialId })).expect(200);
    },
  );

  it.each(AFTER_COMMIT_FAULTS)(
    'S59 S60 S79 the removal of the only passkey disables MFA and reaches the host when everything %s',
    async (fault) => {
      const owner = newUser();
      const key = newKey();
      await owner.addPasskey(key);
      const [id] = await idsOf(owner);
      const passkey = await owner.prove(key);
      const { failed, healed } = afterCommit.fail(fault);
      const { body } = await owner.post(`/mfa/authenticators/${id}/remove`, { passkey }).expect(200);
      healed();
      expect(failed).toContain('remove');
      expect(body).toMatchObject({ enabled: false, removed: { id, type: 'passkey' } });
      await afterCommit.expectDelivered('mfa.disabled', owner);
      await afterCommit.cleanUp();
      expect((await owner.loginAnswer()).body).toHaveProperty('accessToken');
    },
  );

  it.each(AFTER_COMMIT_FAULTS)('a renamed passkey is returned when everything %s', async (fault) => {
    const owner = newUser();
    await owner.addPasskey(newKey());
    const [id] = await idsOf(owner);
    const { healed } = afterCommit.fail(fault, [MfaPasskeyStore, 'rename']);
    const { body } = await owner.patch(`/mfa/authenticators/${id}`, { name: 'New' }).expect(200);
    healed();
    expect(body).toMatchObject({ id, type: 'passkey', name: 'New' });
  });

  it.each(AFTER_COMMIT_FAULTS)(
    'S27 S79 S80 a response is spent, and its key signs in with the next one, when everything after the spending %s',
    async (fault) => {
      const owner = newUser();
      const key = newKey();
      await owner.addPasskey(key);
      const { mfa_token, options } = await owner.startPasskeyLogin();
      const passkey = key.get(options);
      // PostgreSQL also records the use in the statement that spends.
      const spending = kind === 'postgres' ? [MfaVerificationStore, 'spendAndSettle'] : [MfaUsageStore, 'spend'];
      const { failed, healed } = afterCommit.fail(fault, spending as [unknown, string]);
      const { status } = await owner.verifyPasskey(mfa_token, passkey);
      healed();
      expect(failed[0]).toBe(kind === 'postgres' ? 'securityStampOf' : 'settle');
      expect(fault === 'is busy' ? [503] : [401, 500]).toContain(status);
      await owner.verifyPasskey(mfa_token, passkey).expect(401);
      expect((await new PasskeyClient(host, owner.userId).signInByPasskey(key)).status).toBe(200);
    },
  );
});
