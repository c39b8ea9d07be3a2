import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaUserMoveStore } from '../../libs/mfa/src/domain/accounts/user-move.store.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { MovableUser } from '../support/movable-user.js';
import { PASSKEYS } from '../support/passkey-client.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST } from '../support/reset.js';

describe.each(testDatabases)('a move that another call of it overtakes, on %s', (database) => {
  let host: HostApp;
  let moves: MfaUserMoveStore;
  beforeAll(async () => {
    host = await startHostApp({ database, options: { ...FEW_CODES, ...PASSKEYS }, override: withQuickHasher });
    moves = host.app.get(MfaUserMoveStore, { strict: false });
  });
  afterAll(() => host.close());

  /** Moves the user twice. The first call stops before this statement until the second one has ended, and `meanwhile` too. */
  async function overtaken(
    name: 'raiseBudgets' | 'clearTombstone',
    user: MovableUser,
    meanwhile: () => Promise<unknown>,
  ): Promise<void> {
    const real = moves[name] as (...given: unknown[]) => Promise<void>;
    moves[name] = async (...given: unknown[]) => {
      moves[name] = real;
      await user.move();
      await meanwhile();
      await real.apply(moves, given);
    };
    await user.move();
  }

  it('S54 raises no failures of the new id, which an administrator has unlocked', async () => {
    const user = await MovableUser.createWithApp(host);
    for (let guess = 0; guess < 5; guess += 1) await user.old.verify(await user.old.login(), '000000');
    await overtaken('raiseBudgets', user, async () => {
      await user.admin().unlock(user.moved.userId, BY_TEST);
      expect(await user.useApp(user.moved)).toBe(200);
    });
    expect(await user.useApp(user.moved)).toBe(200);
  });

  it('S50 clears no failures of the old id, to which the user was moved back', async () => {
    const user = await MovableUser.createWithApp(host);
    const late = overtaken('clearTombstone', user, async () => {
      await user.admin().purgeUser(user.old.userId, BY_TEST);
      await user.admin().moveUser(user.moved.userId, user.old.userId, BY_TEST);
      for (let guess = 0; guess < 5; guess += 1) await user.old.verify(await user.old.login(), '000000');
    });
    await expect(late).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
    await user.old.verify(await user.old.login(), '000000').expect(429);
  });
});
