import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Passkey } from '../../libs/mfa/src/domain/passkeys/passkey.js';
import { credentialRowsContract } from './credential-rows-contract.js';
import { authenticator, backupCode, entry, passkey, type Stores } from './rows.js';

const NOW = 1_800_000_000_000;
const MOST = 2 ** 32 - 1;
const HANDLE = `${'aA-_'.repeat(21)}Zz`;

/** What every store of passkeys does alike, and how the account reads them. */
export function passkeyContract(stores: () => Stores, userId: () => string): void {
  const all = () => stores().passkeys.list(userId());
  const add = async (rest: Partial<Passkey> = {}) => {
    const added = passkey(userId(), rest);
    expect(await stores().passkeys.add(added)).toBe(true);
    return added;
  };

  credentialRowsContract({ rows: () => stores().passkeys, userId, add, all });

  it('keeps every field', async () => {
    const longest = { credentialId: 'aB-_'.repeat(341), publicKey: 'Zz-_'.repeat(400), name: '📱'.repeat(32) };
    const flags = { backupEligible: true, backedUp: true, userVerified: true };
    const times = { createdAtMs: NOW + 1, lastUsedAtMs: NOW + 2, expiresAtMs: NOW + 3 };
    const transports = ['internal', 'hybrid', 'smart-card'];
    const full = await add({ ...longest, ...flags, ...times, transports, counter: MOST });
    const bare = await add({ transports: [] });
    expect(await all()).toEqual([bare, full]);
    await stores().passkeys.removeAll(userId());
  });

  it('S42 lists the rows of exactly one user, oldest first', async () => {
    const late = await add({ createdAtMs: NOW + 1 });
    const early = await add({ createdAtMs: NOW });
    expect(await all()).toEqual([early, late]);
    for (const other of [`${userId()} `, userId().toUpperCase(), 'nobody']) {
      expect(await stores().passkeys.list(other)).toEqual([]);
    }
  });

  it('S81 finds a credential over all users by its hash, to the letter', async () => {
    const theirs = passkey(`user-${randomUUID()}`);
    await stores().passkeys.add(theirs);
    await add();
    expect(await stores().passkeys.findByHash(theirs.credentialHash)).toEqual(theirs);
    for (const other of [theirs.credentialHash.toUpperCase(), `${theirs.credentialHash.slice(0, -1)}x`, '']) {
      expect(await stores().passkeys.findByHash(other)).toBeNull();
    }
  });

  it('S81 refuses a credential that any user has, and takes it again once that row is removed', async () => {
    const { id, credentialHash } = await add();
    const same = { credentialHash, name: 'Copy' };
    const [own, theirs] = [passkey(userId(), same), passkey('somebody else', same)];
    expect(await stores().passkeys.add(own)).toBe(false);
    expect(await stores().passkeys.add(theirs)).toBe(false);
    expect(await all()).toMatchObject([{ id, name: 'Key' }]);
    await stores().passkeys.remove(userId(), [id]);
    expect(await stores().passkeys.add(theirs)).toBe(true);
    expect(await all()).toEqual([]);
    await stores().passkeys.removeAll('somebody else');
  });

  it('S81 gives a credential to one of 20 users who add it at once', async () => {
    const { credentialHash } = passkey(userId());
    const rows = Array.from({ length: 20 }, () => passkey(`user-${randomUUID()}`, { credentialHash }));
    const added = await Promise.all(rows.map((row) => stores().passkeys.add(row)));
    expect(added.filter(Boolean)).toEqual([true]);
    expect(await stores().passkeys.findByHash(credentialHash)).toEqual(rows[added.indexOf(true)]);
  });

  describe('uses', () => useContract(stores, userId));
  describe('in the account', () => snapshotContract(stores, userId));
  describe('user handles', () => userHandleContract(stores, userId));
}

function useContract(stores: () => Stores, userId: () => string): void {
  const add = async (rest: Partial<Passkey> = {}) => {
    const added = passkey(userId(), rest);
    await stores().passkeys.add(added);
    return added;
  };
  const use = (id: string, from: number, to: number, rest: object = {}) => {
    const flags = { backedUp: false, userVerified: false };
    return stores().passkeys.recordUse({ userId: userId(), id, counter: { from, to }, ...flags, nowMs: NOW, ...rest });
  };
  const read = async (id: string) => (await stores().passkeys.list(userId())).find((row) => row.id === id);

  it('S29 moves the counter only from the value that was read', async () => {
    const before = await add({ counter: 7 });
    expect(await use(before.id, 6, 9)).toBe(false);
    expect(await use(before.id, 8, 9)).toBe(false);
    expect(await read(before.id)).toEqual(before);
    expect(await use(before.id, 7, MOST)).toBe(true);
    expect(await read(before.id)).toEqual({ ...before, counter: MOST, lastUsedAtMs: NOW });
  });

  it('S29 records nothing for another user or a row that does not exist', async () => {
    const { id } = await add();
    expect(await use(id, 0, 1, { userId: 'somebody else' })).toBe(false);
    expect(await use(randomUUID(), 0, 1)).toBe(false);
    expect(await read(id)).toMatchObject({ counter: 0, lastUsedAtMs: null });
  });

  it('S29 lets one of 20 parallel uses move the counter', async () => {
    const { id } = await add({ counter: 3 });
    const won = await Promise.all(Array.from({ length: 20 }, (_, index) => use(id, 3, 4 + index)));
    expect(won.filter(Boolean)).toEqual([true]);
    expect(await read(id)).toMatchObject({ counter: 4 + won.indexOf(true) });
  });

  it('records a use that changes nothing, of a key that does not count', async () => {
    const { id } = await add();
    expect([await use(id, 0, 0), await use(id, 0, 0)]).toEqual([true, true]);
  });

  it('follows the backup state, and keeps that the user was verified', async () => {
    const { id } = await add();
    const seen: unknown[] = [];
    for (const flags of [
      { backedUp: true, userVerified: true },
      { backedUp: false, userVerified: false },
    ]) {
      await use(id, 0, 0, flags);
      const { backedUp, userVerified } = (await read(id))!;
      seen.push({ backedUp, userVerified });
    }
    expect(seen).toEqual([
      { backedUp: true, userVerified: true },
      { backedUp: false, userVerified: true },
    ]);
  });

  it('moves the last use forward only, by at most a millisecond where the clock is behind', async () => {
    const { id } = await add();
    const used: number[] = [];
    for (const nowMs of [NOW, NOW - 9, NOW + 9]) {
      expect(await use(id, 0, 0, { nowMs })).toBe(true);
      used.push((await read(id))!.lastUsedAtMs!);
    }
    expect([used[0], used[2]]).toEqual([NOW, NOW + 9]);
    expect([NOW, NOW + 1]).toContain(used[1]);
  });
}

function snapshotContract(stores: () => Stores, userId: () => string): void {
  const load = (hash: string, tokenId?: string) =>
    stores().accounts.loadWith('passkeys', userId(), { credentialHash: hash, tokenId });

  it('S81 reads the account with the one passkey of this user that has the hash', async () => {
    const [mine, another] = [passkey(userId(), { expiresAtMs: NOW + 9 }), passkey(userId())];
    const theirs = passkey('somebody else');
    for (const row of [mine, another, theirs]) await stores().passkeys.add(row);
    await stores().authenticators.add(authenticator(userId()));
    const set = randomUUID();
    await stores().backupCodes.add([backupCode(userId(), set)]);
    await stores().accounts.commit(userId(), NOW, { backupSetId: set });
    const { account } = (await stores().accounts.load(userId()))!;
    const alike = { account, authenticators: [], backupCodes: [], backupCodesRemaining: 1, tokenSpent: false };
    expect(await load(mine.credentialHash)).toEqual({ ...alike, passkeys: [mine] });
    for (const hash of [theirs.credentialHash, mine.credentialHash.toUpperCase(), '']) {
      expect(await load(hash)).toEqual({ ...alike, passkeys: [] });
    }
    for (const owner of [userId(), 'somebody else']) await stores().passkeys.removeAll(owner);
  });

  it('S42 reads no account for another spelling of the user id', async () => {
    const { credentialHash } = passkey(userId());
    for (const other of [`${userId()} `, userId().toUpperCase(), 'nobody']) {
      expect(await stores().accounts.loadWith('passkeys', other, { credentialHash })).toBeNull();
    }
  });

  it('S27 reports with a passkey whether a token is spent', async () => {
    const [spent, unspent] = [entry('token'), entry('token')];
    await stores().usage.spend({ userId: userId(), securityStamp: NOW, entries: [spent], nowMs: NOW });
    const { credentialHash } = passkey(userId());
    expect(await load(credentialHash, spent.item)).toMatchObject({ tokenSpent: true });
    expect(await load(credentialHash, unspent.item)).toMatchObject({ tokenSpent: false });
  });

  it('reads no passkey with the other factors', async () => {
    await stores().passkeys.add(passkey(userId()));
    expect(await stores().accounts.loadWith('backup codes', userId())).toMatchObject({ passkeys: [] });
    expect(await stores().accounts.load(userId())).not.toHaveProperty('passkey');
    await stores().passkeys.removeAll(userId());
  });
}

function userHandleContract(stores: () => Stores, userId: () => string): void {
  const claim = (handle: string) => stores().accounts.claimUserHandle(userId(), handle);
  const stored = async () => (await stores().accounts.load(userId()))?.account.userHandle;

  it('sets the handle once, and returns the one that stands', async () => {
    const { account } = (await stores().accounts.load(userId()))!;
    expect(account.userHandle).toBeNull();
    expect(await claim(HANDLE)).toBe(HANDLE);
    expect(await claim('other')).toBe(HANDLE);
    expect((await stores().accounts.load(userId()))?.account).toEqual({ ...account, userHandle: HANDLE });
  });

  it('gives 20 parallel claims the same handle', async () => {
    const claims = Array.from({ length: 20 }, (_, index) => claim(`handle-${index}`));
    const [first, ...others] = new Set(await Promise.all(claims));
    expect(others).toEqual([]);
    expect(await stored()).toBe(first);
  });

  it('keeps the handle over changes, and forgets it with the account', async () => {
    await claim(HANDLE);
    await stores().accounts.commit(userId(), NOW, { activeFactors: [], backupSetId: null, securityStamp: NOW + 1 });
    await stores().accounts.invalidate(userId());
    await stores().accounts.open(userId(), NOW + 5);
    expect(await stored()).toBe(HANDLE);
    await stores().accounts.remove(userId());
    await expect(claim(HANDLE)).rejects.toMatchObject({ code: 'MFA_BUSY' });
    await stores().accounts.open(userId(), NOW + 5);
    expect(await stored()).toBeNull();
  });
}
