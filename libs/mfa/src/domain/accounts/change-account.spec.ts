import { beforeEach, describe, expect, it, vi } from 'vitest';
import { InMemoryAccountStore } from '../../testing/in-memory-account-store.js';
import type { AccountSnapshot } from './account.js';
import type { AccountChange } from './account.store.js';
import { changeAccount } from './change-account.js';
import { loadEnabled } from './load-enabled.js';

let accounts: InMemoryAccountStore;
beforeEach(async () => {
  accounts = new InMemoryAccountStore();
  await accounts.open('ann', 100);
});

const accountOf = async () => (await accounts.load('ann'))!.account;

/** Somebody else changes the account, after `decide` looked and before it is committed. */
const overtake = async () => accounts.commit('ann', (await accountOf()).version, { pendingId: 'theirs' });

describe('changeAccount', () => {
  it('switches over what was decided, and answers the account before and after', async () => {
    const { before, after } = await changeAccount(accounts, 'ann', () => ({ activeIds: ['a'] }));
    expect(before.account).toMatchObject({ version: 100, activeIds: [] });
    expect(after).toEqual({ ...before, account: { ...before.account, version: 101, activeIds: ['a'] } });
    expect(await accountOf()).toEqual(after.account);
  });

  it('changes nothing where nothing is decided', async () => {
    const commit = vi.spyOn(accounts, 'commit');
    const { before, after } = await changeAccount(accounts, 'ann', () => null);
    expect(before.account.version).toBe(100);
    expect(after).toBe(before);
    expect(commit).not.toHaveBeenCalled();
  });

  it('S29 asks again, with the account as it is by then, when somebody else was first', async () => {
    const seen: (string | null)[] = [];
    const decide = async ({ account }: AccountSnapshot): Promise<AccountChange> => {
      seen.push(account.pendingId);
      if (seen.length === 1) await overtake();
      return { backupSetId: 'mine' };
    };
    const { after } = await changeAccount(accounts, 'ann', decide);
    expect(seen).toEqual([null, 'theirs']);
    expect(after.account).toMatchObject({ pendingId: 'theirs', backupSetId: 'mine', version: 102 });
    expect(await accountOf()).toEqual(after.account);
  });

  it('S29 takes nothing but `true` for a race that was won', async () => {
    vi.spyOn(accounts, 'commit').mockResolvedValue(undefined as never);
    await expect(changeAccount(accounts, 'ann', () => ({ pendingId: 'a' }))).rejects.toMatchObject({
      code: 'MFA_BUSY',
    });
  });

  it('gives up after twelve lost races, and says when to come back', async () => {
    const decide = vi.fn<() => Promise<AccountChange>>(async () => (await overtake(), { backupSetId: 'mine' }));
    await expect(changeAccount(accounts, 'ann', decide)).rejects.toMatchObject({
      code: 'MFA_BUSY',
      details: { retryAfterSeconds: 1 },
    });
    expect(decide).toHaveBeenCalledTimes(12);
    expect((await accountOf()).backupSetId).toBeNull();
  });

  it('refuses a user who has no account, without deciding anything', async () => {
    const decide = vi.fn<() => AccountChange>(() => ({ pendingId: 'a' }));
    await expect(changeAccount(accounts, 'bob', decide)).rejects.toMatchObject({ code: 'MFA_NOT_ENABLED' });
    expect(decide).not.toHaveBeenCalled();
  });
});

describe('loadEnabled', () => {
  it('gives the account of a user who has an authenticator', async () => {
    await accounts.commit('ann', 100, { activeIds: ['a'] });
    await expect(loadEnabled(accounts, 'ann')).resolves.toMatchObject({ account: { userId: 'ann' } });
  });

  it.each([
    ['has none', 'ann'],
    ['never had an account', 'bob'],
    ['is none', null],
  ])('refuses a user who %s', async (_, userId) => {
    const load = vi.spyOn(accounts, 'load');
    await expect(loadEnabled(accounts, userId)).rejects.toMatchObject({ code: 'MFA_NOT_ENABLED' });
    expect(load).toHaveBeenCalledTimes(userId === null ? 0 : 1);
  });
});
