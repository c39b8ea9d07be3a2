import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InMemoryAccountStore } from '../../../../../test/support/in-memory-account-store.js';
import { MfaError, type MfaErrorCode } from '../mfa-error.js';
import type { AccountSnapshot } from './account.js';
import type { AccountChange, MfaAccountStore } from './account.store.js';
import { changeAccount as changeWithEvent } from './change-account.js';
import { loadEnabled } from './load-enabled.js';
import { purgingAccount } from './moved-account.js';

/** A change without an event. */
const changeAccount = (
  store: MfaAccountStore,
  userId: string,
  decide: (snapshot: AccountSnapshot) => AccountChange | null | Promise<AccountChange | null>,
  missing?: MfaErrorCode,
) => {
  const withoutEvent = async (snapshot: AccountSnapshot) => {
    const change = await decide(snapshot);
    return change && { ...change, lastChange: null };
  };
  return changeWithEvent(store, userId, withoutEvent, missing);
};

let accounts: InMemoryAccountStore;
beforeEach(async () => {
  accounts = new InMemoryAccountStore();
  await accounts.open('ann', 100);
});

const accountOf = async () => (await accounts.load('ann'))!.account;

/** Somebody else changes the account, after `decide` looked and before it is committed. */
const overtake = async () => accounts.commit('ann', (await accountOf()).rowVersion, { pendingId: 'theirs' });

describe('changeAccount', () => {
  it('switches over what was decided, and answers the account before and after', async () => {
    const { before, after } = await changeAccount(accounts, 'ann', () => ({
      activeFactors: [{ type: 'totp', id: 'a' }],
    }));
    expect(before.account).toMatchObject({ rowVersion: 100, activeFactors: [] });
    expect(after).toEqual({
      ...before,
      account: { ...before.account, rowVersion: 101, activeFactors: [{ type: 'totp', id: 'a' }] },
    });
    expect(await accountOf()).toEqual(after.account);
  });

  it('changes nothing where nothing is decided', async () => {
    const commit = vi.spyOn(accounts, 'commit');
    const { before, after } = await changeAccount(accounts, 'ann', () => null);
    expect(before.account.rowVersion).toBe(100);
    expect(after).toBe(before);
    expect(commit).not.toHaveBeenCalled();
  });

  it('S29 asks again, with the account as it is by then, when somebody else was first', async () => {
    const seen: (string | null)[] = [];
    const decide = async ({ account }: AccountSnapshot): Promise<AccountChange> => {
      seen.push(account.pendingId);
      if (seen.length === 1) await overtake();
      return { securityStamp: 7 };
    };
    const { after } = await changeAccount(accounts, 'ann', decide);
    expect(seen).toEqual([null, 'theirs']);
    expect(after.account).toMatchObject({ pendingId: 'theirs', securityStamp: 7, rowVersion: 102 });
    expect(await accountOf()).toEqual(after.account);
  });

  it.each<[string, AccountChange]>([
    ['the active factors', { activeFactors: [{ type: 'totp', id: 'a' }] }],
    ['the backup codes', { backupSetId: 'set' }],
  ])('S79 ends the pending setup with a change of %s, in the same write', async (_, change) => {
    await accounts.commit('ann', 100, { pendingId: 'theirs' });
    const commit = vi.spyOn(accounts, 'commit');
    const { after } = await changeAccount(accounts, 'ann', () => change);
    expect(commit).toHaveBeenCalledExactlyOnceWith('ann', 101, { ...change, pendingId: null });
    expect(after.account.pendingId).toBeNull();
    expect((await accountOf()).pendingId).toBeNull();
  });

  it('S79 leaves the pending setup with any other change', async () => {
    await accounts.commit('ann', 100, { pendingId: 'mine' });
    await changeAccount(accounts, 'ann', ({ account }) => ({ securityStamp: account.securityStamp + 1 }));
    expect((await accountOf()).pendingId).toBe('mine');
  });

  it('S79 takes a change for made that was committed although the connection failed', async () => {
    const commit = accounts.commit.bind(accounts);
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
      await commit(...args);
      throw new Error('connection reset');
    });
    const { after } = await changeAccount(accounts, 'ann', () => ({
      activeFactors: [
        { type: 'totp', id: 'a' },
        { type: 'totp', id: 'b' },
      ],
    }));
    expect(after.account).toEqual(await accountOf());
  });

  it.each([
    ['nothing was committed', async () => undefined],
    ['another change was committed', async () => void (await overtake())],
    ['the account is gone', async () => accounts.remove('ann')],
  ])('throws what the commit threw when %s', async (_, meanwhile) => {
    vi.spyOn(accounts, 'commit').mockImplementationOnce(async () => {
      vi.restoreAllMocks();
      await meanwhile();
      throw new Error('connection reset');
    });
    await expect(
      changeAccount(accounts, 'ann', () => ({ activeFactors: [{ type: 'totp', id: 'a' }] })),
    ).rejects.toThrow('connection reset');
  });

  it('S79 lets a change that was answered with an error be committed no later', async () => {
    const commit = accounts.commit.bind(accounts);
    let late: (() => Promise<boolean>) | undefined;
    vi.spyOn(accounts, 'commit').mockImplementationOnce((...args) => {
      late = () => commit(...args);
      return Promise.reject(new Error('connection reset'));
    });
    await expect(changeAccount(accounts, 'ann', () => ({ activeFactors: [] }))).rejects.toThrow('connection reset');
    expect(await late!()).toBe(false);
  });

  describe('when the database is away', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    const away = () => Promise.reject(new MfaError('MFA_BUSY'));
    const committedAndLost = () => {
      const commit = accounts.commit.bind(accounts);
      return vi.spyOn(accounts, 'commit').mockImplementationOnce(async (...args) => {
        await commit(...args);
        throw new Error('connection reset');
      });
    };
    const outcome = async () => {
      const changing = changeAccount(accounts, 'ann', () => ({ activeFactors: [{ type: 'totp', id: 'a' }] })).catch(
        (error: Error) => error,
      );
      await vi.runAllTimersAsync();
      return changing;
    };

    it('S79 finds the change that was committed once the database is back', async () => {
      committedAndLost().mockImplementationOnce(away).mockImplementationOnce(away);
      const load = accounts.load.bind(accounts);
      vi.spyOn(accounts, 'load').mockImplementationOnce(load).mockImplementationOnce(away);
      expect(await outcome()).toMatchObject({
        after: { account: { activeFactors: [{ type: 'totp', id: 'a' }], rowVersion: 101 } },
      });
    });

    it('throws what the commit threw when the database stays away', async () => {
      const commit = committedAndLost().mockImplementation(away);
      expect(await outcome()).toEqual(new Error('connection reset'));
      expect(commit).toHaveBeenCalledTimes(8);
    });

    it('throws what the commit threw when the account cannot be read for another reason', async () => {
      committedAndLost();
      const load = accounts.load.bind(accounts);
      vi.spyOn(accounts, 'load').mockImplementationOnce(load).mockRejectedValueOnce(new Error('no such column'));
      expect(await outcome()).toEqual(new Error('connection reset'));
    });
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

  it('S123 changes no account that reserves the id for a purge', async () => {
    await accounts.claimUserHandle('ann', purgingAccount('ann', { rowVersion: 1, securityStamp: 1 }).userHandle!);
    const decide = vi.fn<() => AccountChange>(() => ({ securityStamp: 7 }));
    const changing = changeAccount(accounts, 'ann', decide, 'MFA_NOT_ENABLED');
    await expect(changing).rejects.toMatchObject({ code: 'MFA_NOT_ENABLED' });
    expect(decide).not.toHaveBeenCalled();
  });

  it('gives a time to wait where a user without an account makes a change too busy', async () => {
    const changing = changeAccount(accounts, 'nobody', () => null, 'MFA_BUSY');
    await expect(changing).rejects.toMatchObject({ code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } });
  });

  it('refuses a user who has no account, without deciding anything', async () => {
    const decide = vi.fn<() => AccountChange>(() => ({ pendingId: 'a' }));
    await expect(changeAccount(accounts, 'bob', decide)).rejects.toMatchObject({ code: 'MFA_NOT_ENABLED' });
    expect(decide).not.toHaveBeenCalled();
    await expect(changeAccount(accounts, 'bob', decide, 'MFA_CODE_REJECTED')).rejects.toMatchObject({
      code: 'MFA_CODE_REJECTED',
    });
  });
});

describe('loadEnabled', () => {
  it('gives the account of a user who has an authenticator', async () => {
    await accounts.commit('ann', 100, { activeFactors: [{ type: 'totp', id: 'a' }] });
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
