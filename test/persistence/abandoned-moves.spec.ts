import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAuditService, type MfaAdminService } from 'nestjs-mfa';
import { MfaUserMoveStore } from '../../libs/mfa/src/domain/accounts/user-move.store.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { MovableUser } from '../support/movable-user.js';
import { PASSKEYS, PasskeyClient } from '../support/passkey-client.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST, RESET } from '../support/reset.js';

const refusal = (text: string) => ({ code: 'MFA_BAD_REQUEST', message: expect.stringContaining(text) });

describe.each(testDatabases)('a move to a mistyped user id, on %s', (database) => {
  let host: HostApp;
  beforeAll(async () => {
    const options = { ...FEW_CODES, ...PASSKEYS, audit: {}, enrollment: { allowPasswordOnly: true } };
    host = await startHostApp({ database, options, namesAccounts: true, override: withQuickHasher });
  });
  afterAll(() => host.close());

  /** A user whose move to a mistyped id stopped after a step. */
  async function abandoned(step: 'open' | 'copyUsage' = 'copyUsage'): Promise<[MovableUser, string, MfaAdminService]> {
    const user = await MovableUser.create(host);
    const mistyped = `${user.moved.userId}-mistyped`;
    const store = host.app.get<Record<typeof step, (...given: unknown[]) => Promise<unknown>>>(
      MfaUserMoveStore as never,
      { strict: false },
    );
    const real = store[step];
    store[step] = async (...given) => {
      await real.apply(store, given);
      throw new Error('the process dies');
    };
    await expect(user.admin().moveUser(user.old.userId, mistyped, BY_TEST)).rejects.toThrow('the process dies');
    store[step] = real;
    return [user, mistyped, user.admin()];
  }

  const isFree = async (user: MovableUser, id: string) => {
    expect(await user.row(id)).toBeUndefined();
    expect(await user.isRequired(new PasskeyClient(host, id))).toBe(false);
  };

  it('S123 refuses a reset, a recovery code and other moves, and names the remedy', async () => {
    const [user, mistyped, admin] = await abandoned();
    const remedy = 'or call `purgeUser` for this user id first';
    await expect(admin.reset(mistyped, RESET)).rejects.toMatchObject(refusal(remedy));
    await expect(admin.reset(mistyped, { ...RESET, requireEnrollment: true })).rejects.toMatchObject(refusal(remedy));
    await expect(admin.issueRecoveryCode(mistyped, BY_TEST)).rejects.toMatchObject(refusal(remedy));
    const other = await MovableUser.createWithApp(host);
    const toMistyped = admin.moveUser(other.old.userId, mistyped, BY_TEST);
    await expect(toMistyped).rejects.toMatchObject(refusal('or call `purgeUser` for the new user id'));
    const fromMistyped = admin.moveUser(mistyped, `${mistyped}-2`, BY_TEST);
    await expect(fromMistyped).rejects.toMatchObject(refusal('or call `purgeUser` for the old user id'));
    await user.move();
    const again = admin.moveUser(user.old.userId, mistyped, BY_TEST);
    await expect(again).rejects.toMatchObject(refusal('Call `purgeUser` for the new user id of this call'));
    await user.expectMoved();
  });

  it.each(['open', 'copyUsage'] as const)(
    'S123 frees the id by a purge, before the right move, after %s',
    async (step) => {
      const [user, mistyped, admin] = await abandoned(step);
      await admin.purgeUser(mistyped, BY_TEST);
      await isFree(user, mistyped);
      expect(await user.useApp(user.old)).toBe(200);
      await user.move();
      await user.expectMoved();
      await isFree(user, mistyped);
    },
  );

  it('S123 frees the id by a purge, after the right move, and harms neither user id', async () => {
    const [user, mistyped, admin] = await abandoned();
    await user.move();
    await admin.purgeUser(mistyped, BY_TEST);
    await isFree(user, mistyped);
    await user.expectMoved();
  });

  it('S123 frees the id by a purge while the right move is not finished', async () => {
    const [user, mistyped, admin] = await abandoned();
    const store = host.app.get(MfaUserMoveStore, { strict: false });
    const real = store.movePasskeys;
    store.movePasskeys = () => Promise.reject(new Error('the process dies'));
    await expect(user.move()).rejects.toThrow('the process dies');
    store.movePasskeys = real;
    await admin.purgeUser(mistyped, BY_TEST);
    await isFree(user, mistyped);
    await user.move();
    await user.expectMoved();
  });

  it('S121 leaves nothing of a refused purge in the audit table', async () => {
    const user = await MovableUser.create(host);
    const store = host.app.get(MfaUserMoveStore, { strict: false });
    const real = store.movePasskeys;
    store.movePasskeys = () => Promise.reject(new Error('the process dies'));
    await expect(user.move()).rejects.toThrow('the process dies');
    store.movePasskeys = real;
    for (const userId of [user.old.userId, user.moved.userId]) {
      const purge = user.admin().purgeUser(userId, BY_TEST);
      await expect(purge).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
      const entries = await host.app.get(MfaAuditService, { strict: false }).list({ userId });
      expect(entries.map(({ event }) => event.type)).not.toContain('mfa.user.purged');
    }
  });
});
