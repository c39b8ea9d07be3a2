import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { DEFAULT_ATTEMPT_POLICY, EMPTY_BUDGET } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import {
  endFailures,
  releaseBudget,
  reserveBudget,
  settleBudget,
} from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { ATTEMPT_FACTORS, type AttemptPolicy } from '../../libs/mfa/src/domain/attempts/attempt-policy.js';
import type { Authenticator } from '../../libs/mfa/src/domain/authenticators/authenticator.js';
import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';
import { credentialRowsContract } from './credential-rows-contract.js';
import { deviceContract } from './device-contract.js';
import { passkeyContract } from './passkey-contract.js';
import { policySeenContract } from './policy-seen-contract.js';
import { recoveryContract } from './recovery-contract.js';
import { authenticator, backupCode, entry, type Stores } from './rows.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;

/** What every implementation of the storage ports does alike; expired rows must start out absent. */
export function describeStores(stores: () => Stores): void {
  let userId: string;
  beforeEach(async () => {
    userId = `user-${randomUUID()}`;
    await stores().accounts.open(userId, NOW);
  });

  describe('accounts', () => accountContract(stores, () => userId));
  describe('attempt budgets', () => budgetContract(stores, () => userId));
  describe('authenticators', () => authenticatorContract(stores, () => userId));
  describe('passkeys', () => passkeyContract(stores, () => userId));
  describe('backup codes', () => backupCodeContract(stores, () => userId));
  describe('usage', () => usageContract(stores, () => userId));
  describe('recovery codes', () => recoveryContract(stores, () => userId));
  describe('policy sightings', () => policySeenContract(stores, () => userId));
  describe('trusted devices', () => deviceContract(stores, () => userId));
}

function accountContract(stores: () => Stores, userId: () => string): void {
  const load = async () => (await stores().accounts.load(userId()))!;

  it('opens an empty account whose security stamp and row version are the time', async () => {
    expect(await load()).toEqual({
      account: {
        userId: userId(),
        securityStamp: NOW,
        rowVersion: NOW,
        activeFactors: [],
        pendingId: null,
        backupSetId: null,
        userHandle: null,
        mustEnrollSinceMs: null,
        recovery: null,
        budgets: Object.fromEntries(ATTEMPT_FACTORS.map((factor) => [factor, EMPTY_BUDGET])),
      },
      authenticators: [],
      backupCodesRemaining: 0,
      tokenSpent: false,
    });
  });

  it('S71 reads the security stamp after every change of it, and none for a missing account', async () => {
    const securityStamp = () => stores().accounts.securityStampOf(userId());
    expect(await securityStamp()).toBe(NOW);
    await stores().accounts.invalidate(userId());
    expect(await securityStamp()).toBe(NOW + 1);
    await stores().accounts.remove(userId());
    expect(await securityStamp()).toBeNull();
  });

  it.each([() => userId().toUpperCase(), () => `${userId()} `])(
    'S42 reads the security stamp of exactly one user',
    async (other) => {
      expect(await stores().accounts.securityStampOf(other())).toBeNull();
    },
  );

  it('keeps an account unchanged when it is opened again', async () => {
    await stores().accounts.commit(userId(), NOW, {
      activeFactors: [
        { type: 'totp', id: 'a' },
        { type: 'totp', id: 'b' },
      ],
    });
    await stores().accounts.open(userId(), NOW + 5_000);
    expect((await load()).account).toMatchObject({
      securityStamp: NOW,
      rowVersion: NOW + 1,
      activeFactors: [
        { type: 'totp', id: 'a' },
        { type: 'totp', id: 'b' },
      ],
    });
  });

  it.each([
    ['nobody', () => 'nobody'],
    ['other case', () => userId().toUpperCase()],
    ['an accent', () => userId().replace('u', 'ü')],
    ['a trailing space', () => `${userId()} `],
    ['the empty string', () => ''],
  ])('S42 finds no user for %s', async (_, other) => {
    expect(await stores().accounts.load(other())).toBeNull();
  });

  it('S42 separates users whose ids differ by case only', async () => {
    const other = userId().toUpperCase();
    await stores().accounts.open(other, NOW + 1);
    expect((await stores().accounts.load(other))?.account).toMatchObject({ userId: other, securityStamp: NOW + 1 });
    expect((await load()).account.securityStamp).toBe(NOW);
  });

  it('S78 reports at a login the account of the same id in lower case, and never as the account of the user', async () => {
    const typed = userId().toUpperCase();
    const before = await stores().accounts.loadForLogin(typed);
    expect(before).toEqual({ snapshot: null, otherCase: true, policySeenAtMs: null, device: null });
    await stores().authenticators.add(authenticator(userId()));
    await stores().accounts.open(typed, NOW + 1);
    const both = await stores().accounts.loadForLogin(typed);
    expect(both).toEqual({
      snapshot: await stores().accounts.load(typed),
      otherCase: true,
      policySeenAtMs: null,
      device: null,
    });
    expect(both.snapshot?.authenticators).toEqual([]);
  });

  it('S78 reports no other case at a login where there is none', async () => {
    const none = { otherCase: false, policySeenAtMs: null, device: null };
    expect(await stores().accounts.loadForLogin(userId())).toEqual({ snapshot: await load(), ...none });
    expect(await stores().accounts.loadForLogin(`X${userId()}`)).toEqual({ snapshot: null, ...none });
    const other = `Of${userId()}`;
    await stores().accounts.open(other, NOW + 1);
    const { snapshot, otherCase } = await stores().accounts.loadForLogin(other);
    expect([snapshot?.account.userId, otherCase]).toEqual([other, false]);
  });

  it('stores ids that look like SQL', async () => {
    const odd = `x'; DROP TABLE mfa_usage; -- \\ "${randomUUID()}" ✓`;
    await stores().accounts.open(odd, NOW);
    expect((await stores().accounts.load(odd))?.account.userId).toBe(odd);
  });

  it('commits all fields at once, and keeps those left out', async () => {
    const ids = Array.from({ length: 10 }, () => randomUUID());
    const change = {
      securityStamp: NOW + 9,
      activeFactors: ids.map((id) => ({ type: 'totp', id })),
      pendingId: randomUUID(),
      backupSetId: randomUUID(),
    };
    expect(await stores().accounts.commit(userId(), NOW, change)).toBe(true);
    expect((await load()).account).toMatchObject({ ...change, rowVersion: NOW + 1 });
    expect(await stores().accounts.commit(userId(), NOW + 1, { pendingId: null })).toBe(true);
    expect((await load()).account).toMatchObject({ ...change, pendingId: null, rowVersion: NOW + 2 });
  });

  it('S29 refuses to commit over another row version, or for an unknown user', async () => {
    expect(await stores().accounts.commit(userId(), NOW - 1, { securityStamp: 1 })).toBe(false);
    expect(await stores().accounts.commit(userId(), NOW + 1, { securityStamp: 1 })).toBe(false);
    expect(await stores().accounts.commit('nobody', NOW, { securityStamp: 1 })).toBe(false);
    expect((await load()).account.securityStamp).toBe(NOW);
  });

  it('raises the row version for an empty change', async () => {
    expect(await stores().accounts.commit(userId(), NOW, {})).toBe(true);
    expect((await load()).account.rowVersion).toBe(NOW + 1);
  });

  it('S43 revokes tokens by a new security stamp, and refuses a commit that had read the old one', async () => {
    await stores().accounts.invalidate(userId());
    expect((await load()).account.securityStamp).toBe(NOW + 1);
    expect(await stores().accounts.commit(userId(), NOW, { securityStamp: NOW + 1 })).toBe(false);
  });

  it('S43 S79 ends a pending setup when it revokes the tokens, and keeps the factors', async () => {
    await stores().accounts.commit(userId(), NOW, {
      activeFactors: [{ type: 'totp', id: 'a' }],
      pendingId: 'b',
      backupSetId: 'c',
    });
    await stores().accounts.invalidate(userId());
    expect((await load()).account).toMatchObject({
      activeFactors: [{ type: 'totp', id: 'a' }],
      pendingId: null,
      backupSetId: 'c',
    });
  });

  it('loads the authenticators and the remaining codes of the live set', async () => {
    const [first, second] = [
      authenticator(userId()),
      authenticator(userId(), { confirmedAtMs: NOW, lastUsedAtMs: NOW }),
    ];
    await stores().authenticators.add(first);
    await stores().authenticators.add(second);
    await stores().authenticators.add(authenticator('somebody else'));
    const [live, old] = [randomUUID(), randomUUID()];
    const codes = [0, 1, 2].map(() => backupCode(userId(), live));
    await stores().backupCodes.add([...codes, backupCode(userId(), old), backupCode('somebody else', live)]);
    const spent = { kind: 'backup_code', item: codes[0]!.id, expiresAtMs: null } as const;
    expect(await stores().usage.spend({ userId: userId(), securityStamp: NOW, entries: [spent], nowMs: NOW })).toBe(
      true,
    );
    await stores().accounts.commit(userId(), NOW, { backupSetId: live });

    const { authenticators, backupCodesRemaining } = await load();
    expect(authenticators).toHaveLength(2);
    expect(authenticators).toEqual(expect.arrayContaining([first, second]));
    expect(backupCodesRemaining).toBe(2);
  });

  it('loads many accounts at once, each with its own authenticators, and no other account', async () => {
    const others = [`user-${randomUUID()}`, `user-${randomUUID()}`];
    for (const each of others) await stores().accounts.open(each, NOW);
    const rows = [authenticator(userId()), authenticator(userId()), authenticator(others[0]!)];
    for (const row of rows) await stores().authenticators.add(row);
    const set = randomUUID();
    await stores().backupCodes.add([backupCode(others[0]!, set), backupCode(others[0]!, set)]);
    await stores().accounts.commit(others[0]!, NOW, { backupSetId: set });
    const asked = [userId(), others[0]!, userId(), 'nobody', others[0]!.toUpperCase(), `${userId()} `];
    const loaded = await stores().accounts.loadMany(asked);
    expect(loaded).toHaveLength(2);
    for (const id of [userId(), others[0]!]) {
      const snapshot = loaded.find(({ account }) => account.userId === id)!;
      const alone = (await stores().accounts.load(id))!;
      const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
      expect(snapshot.authenticators.toSorted(byId)).toEqual(alone.authenticators.toSorted(byId));
      expect({ ...snapshot, authenticators: [] }).toEqual({ ...alone, authenticators: [] });
    }
    expect(loaded.find(({ account }) => account.userId === others[0])?.backupCodesRemaining).toBe(2);
    expect(await stores().accounts.loadMany([])).toEqual([]);
  });

  it('S27 reports whether a token is spent', async () => {
    const [spent, unspent] = [entry('token'), entry('token')];
    await stores().usage.spend({
      userId: userId(),
      securityStamp: NOW,
      entries: [spent, entry('totp', unspent.item)],
      nowMs: NOW,
    });
    expect(await stores().accounts.load(userId(), spent.item)).toMatchObject({ tokenSpent: true });
    expect(await stores().accounts.load(userId(), unspent.item)).toMatchObject({ tokenSpent: false });
    expect(await load()).toMatchObject({ tokenSpent: false });
  });

  it('removes the account', async () => {
    await stores().accounts.remove(userId());
    expect(await stores().accounts.load(userId())).toBeNull();
  });

  it('S123 removes the account only at the given row version', async () => {
    expect(await stores().accounts.remove(userId(), NOW + 1)).toBe(false);
    expect(await stores().accounts.load(userId())).not.toBeNull();
    expect(await stores().accounts.remove(userId(), NOW)).toBe(true);
    expect(await stores().accounts.load(userId())).toBeNull();
    expect(await stores().accounts.remove(userId(), NOW)).toBe(false);
  });
}

function budgetContract(stores: () => Stores, userId: () => string): void {
  const reserve = (nowMs: number, rest: Partial<Parameters<MfaAccountStore['reserve']>[0]> = {}) =>
    stores().accounts.reserve({ userId: userId(), securityStamp: NOW, factor: 'totp', policy, nowMs, ...rest });
  const budgets = async () => (await stores().accounts.load(userId()))!.account.budgets;

  it('S50 counts an attempt before it is evaluated', async () => {
    expect(await reserve(NOW)).toBe(true);
    expect((await budgets()).totp).toEqual(reserveBudget(EMPTY_BUDGET, policy, NOW));
    expect((await budgets()).backup_code).toEqual(EMPTY_BUDGET);
  });

  it('S43 counts nothing for another security stamp or an unknown user', async () => {
    expect(await reserve(NOW, { securityStamp: NOW - 1 })).toBe(false);
    expect(await reserve(NOW, { userId: 'nobody' })).toBe(false);
    expect((await budgets()).totp).toEqual(EMPTY_BUDGET);
  });

  it('S51 ends the locks of every factor, and refills no daily cap', async () => {
    const policy = { ...DEFAULT_ATTEMPT_POLICY, maxFailures: 1 };
    for (const factor of ATTEMPT_FACTORS) await reserve(NOW, { factor, policy });
    const before = await budgets();
    expect(before.totp.lockedUntilMs).toBeGreaterThan(NOW);
    await stores().accounts.endLocks(userId());
    expect((await budgets()).totp).toEqual({ ...before.totp, lockedUntilMs: 0 });
    expect((await budgets()).confirmation).toEqual({ ...before.confirmation, lockedUntilMs: 0 });
  });

  it('S54 shortens a lock or cap from a clock far ahead', async () => {
    const policy = { ...DEFAULT_ATTEMPT_POLICY, maxFailures: 1 };
    expect(await reserve(NOW + 365 * 86_400_000, { policy })).toBe(true);
    expect(await reserve(NOW, { policy })).toBe(true);
    expect((await budgets()).totp.lockedUntilMs).toBe(NOW + 2 * policy.lockMs);
  });

  it('S54 clears every budget', async () => {
    for (const factor of ATTEMPT_FACTORS) await reserve(NOW, { factor });
    await stores().accounts.clearBudgets(userId());
    expect(await budgets()).toEqual(Object.fromEntries(ATTEMPT_FACTORS.map((factor) => [factor, EMPTY_BUDGET])));
  });

  const small: AttemptPolicy = {
    maxFailures: 3,
    lockMs: 60_000,
    maxLockMs: 200_000,
    dailyBurst: 9,
    dailyRefill: 7,
    disableAfter: 20,
  };

  it.each([
    ['the default', DEFAULT_ATTEMPT_POLICY, 86_400_000],
    ['a small', small, 7_200_000],
    ['a policy of one lock length', { ...small, maxLockMs: 60_000, dailyRefill: 500 }, 200_000],
  ])('S54 follows the pure rules through 200 random steps of %s policy', async (_, used, longestPauseMs) => {
    const random = seeded(42);
    const after = [
      ['settle', settleBudget],
      ['endFailures', endFailures],
      ['release', releaseBudget],
    ] as const;
    let expected = { ...EMPTY_BUDGET };
    let nowMs = NOW;
    for (let step = 0; step < 200; step++) {
      nowMs += Math.floor(random() ** 4 * longestPauseMs);
      const [settled, rule] = after[Math.floor(random() * 20)] ?? [];
      if (settled && rule) {
        await stores().accounts[settled](userId(), 'confirmation', used);
        expected = rule(expected, used);
      } else {
        const next = reserveBudget(expected, used, nowMs);
        expect(await reserve(nowMs, { factor: 'confirmation', policy: used }), `step ${step}`).toBe(next !== null);
        expected = next ?? expected;
      }
      expect((await budgets()).confirmation, `step ${step}`).toEqual(expected);
    }
  });

  it('S54 disables at the limit, however much time passes', async () => {
    let nowMs = NOW;
    for (let failure = 0; failure < small.disableAfter; failure++, nowMs += 86_400_000) {
      expect(await reserve(nowMs, { policy: small })).toBe(true);
    }
    expect(await reserve(nowMs + 10 * 86_400_000, { policy: small })).toBe(false);
    expect((await budgets()).totp.failures).toBe(small.disableAfter);
  });
}

function authenticatorContract(stores: () => Stores, userId: () => string): void {
  const all = async () => (await stores().accounts.load(userId()))!.authenticators;
  const add = async (rest: Partial<Authenticator> = {}) => {
    const added = authenticator(userId(), { confirmedAtMs: NOW, ...rest });
    await stores().authenticators.add(added);
    return added;
  };

  credentialRowsContract({ rows: () => stores().authenticators, userId, add, all });

  it('keeps every field', async () => {
    const added = await add({
      name: 'Téléphone 📱',
      algorithm: 'SHA512',
      digits: 8,
      periodSeconds: 60,
      expiresAtMs: NOW,
      setupBinding: 'b'.repeat(64),
    });
    expect(await all()).toEqual([added]);
    await stores().authenticators.removeAll(userId());
  });

  it('S121 counts no row that was never confirmed among those that it removes', async () => {
    await add({ confirmedAtMs: null });
    await add();
    await add({ confirmedAtMs: null, expiresAtMs: NOW });
    expect(await stores().authenticators.removeAll(userId())).toBe(1);
    expect(await all()).toEqual([]);
  });

  it('confirms and ends the expiry', async () => {
    const pending = await add({ confirmedAtMs: null, expiresAtMs: NOW + 1 });
    await stores().authenticators.confirm(pending, NOW);
    expect(await all()).toMatchObject([{ confirmedAtMs: NOW, expiresAtMs: null }]);
  });

  it('S61 keeps the grace time of a removal that came before a late confirmation', async () => {
    const pending = await add({ expiresAtMs: NOW + 1 });
    await stores().authenticators.collectAfter(userId(), [pending.id], NOW + 2);
    await stores().authenticators.confirm(pending, NOW);
    expect(await all()).toMatchObject([{ expiresAtMs: NOW + 2 }]);
  });

  it('moves the last use forward only', async () => {
    const { id } = await add();
    const used: (number | null | undefined)[] = [];
    for (const atMs of [NOW, NOW - 1, NOW + 1]) {
      await stores().authenticators.touch(userId(), id, atMs);
      used.push((await all())[0]?.lastUsedAtMs);
    }
    expect(used).toEqual([NOW, NOW, NOW + 1]);
  });
}

function backupCodeContract(stores: () => Stores, userId: () => string): void {
  const addSet = async (count: number, rest: Partial<BackupCode> = {}) => {
    const setId = randomUUID();
    const codes = Array.from({ length: count }, () => ({ ...backupCode(userId(), setId), ...rest }));
    await stores().backupCodes.add(codes);
    return { setId, codes };
  };
  const spend = (code: BackupCode) =>
    stores().usage.spend({
      userId: userId(),
      securityStamp: NOW,
      entries: [entry('backup_code', code.id, null)],
      nowMs: NOW,
    });

  it('keeps every field, and lists one set of one user', async () => {
    const { setId, codes } = await addSet(10, { expiresAtMs: NOW + 5 });
    await addSet(1);
    await stores().backupCodes.add([]);
    const listed = await stores().backupCodes.list(userId(), setId);
    expect(listed).toHaveLength(10);
    expect(listed).toEqual(expect.arrayContaining(codes));
    expect(await stores().backupCodes.list('somebody else', setId)).toEqual([]);
  });

  it('S33 adds all codes of a set or none', async () => {
    const { codes } = await addSet(1);
    const setId = randomUUID();
    await expect(stores().backupCodes.add([backupCode(userId(), setId), { ...codes[0]!, setId }])).rejects.toThrow();
    expect(await stores().backupCodes.list(userId(), setId)).toEqual([]);
  });

  it('marks a code as used for the owner only', async () => {
    const { setId, codes } = await addSet(1);
    await stores().backupCodes.markUsed('somebody else', codes[0]!.id, NOW);
    expect(await stores().backupCodes.list(userId(), setId)).toMatchObject([{ usedAtMs: null }]);
    await stores().backupCodes.markUsed(userId(), codes[0]!.id, NOW);
    expect(await stores().backupCodes.list(userId(), setId)).toMatchObject([{ usedAtMs: NOW }]);
  });

  it('S61 lists expired sets, oldest first, each once', async () => {
    const [late, early, live] = [
      await addSet(3, { expiresAtMs: NOW }),
      await addSet(3, { expiresAtMs: NOW - 5 }),
      await addSet(3, { expiresAtMs: NOW + 1 }),
    ];
    const listed = ({ setId }: { setId: string }, expiresAtMs: number) => ({ userId: userId(), setId, expiresAtMs });
    expect(await stores().backupCodes.listExpired(NOW, 10)).toEqual([listed(early, NOW - 5), listed(late, NOW)]);
    expect(await stores().backupCodes.listExpired(NOW, 1)).toEqual([listed(early, NOW - 5)]);
    await stores().backupCodes.collectAfter(userId(), early.setId, null);
    await stores().backupCodes.collectAfter(userId(), live.setId, NOW - 1);
    expect(await stores().backupCodes.listExpired(NOW, 10)).toEqual([listed(live, NOW - 1), listed(late, NOW)]);
    await stores().backupCodes.removeAll(userId());
    expect(await stores().backupCodes.listExpired(NOW, 10)).toEqual([]);
  });

  it('S59 removes a set with the usage of its codes, and no other', async () => {
    const [gone, kept] = [await addSet(2), await addSet(2)];
    expect([await spend(gone.codes[0]!), await spend(kept.codes[0]!)]).toEqual([true, true]);
    await stores().backupCodes.remove(userId(), gone.setId);
    expect(await stores().backupCodes.list(userId(), gone.setId)).toEqual([]);
    expect(await stores().backupCodes.list(userId(), kept.setId)).toHaveLength(2);
    expect(await spend(kept.codes[0]!)).toBe(false);
    expect(await spend(gone.codes[0]!)).toBe(true);
  });
}

function usageContract(stores: () => Stores, userId: () => string): void {
  const spend = (entries: UsageEntry[], rest: { userId?: string; securityStamp?: number; backupSetId?: string } = {}) =>
    stores().usage.spend({ userId: userId(), securityStamp: NOW, entries, nowMs: NOW, ...rest });

  it('S27 spends an entry once', async () => {
    const code = entry('totp');
    expect([await spend([code]), await spend([code])]).toEqual([true, false]);
  });

  it('separates kinds and users', async () => {
    const item = randomUUID();
    const other = `user-${randomUUID()}`;
    await stores().accounts.open(other, NOW);
    expect(await spend([entry('totp', item), entry('token', item), entry('backup_code', item)])).toBe(true);
    expect(await spend([entry('totp', item)], { userId: other })).toBe(true);
  });

  it('lists the stored usage of one user, oldest first', async () => {
    const [first, second] = [entry('totp'), entry('backup_code', randomUUID(), null)];
    await spend([first]);
    await stores().usage.spend({ userId: userId(), securityStamp: NOW, entries: [second], nowMs: NOW + 5 });
    expect(await stores().usage.list(userId())).toEqual([
      { ...first, spentAtMs: NOW },
      { ...second, spentAtMs: NOW + 5 },
    ]);
    for (const other of [`${userId()} `, userId().toUpperCase(), 'nobody']) {
      expect(await stores().usage.list(other)).toEqual([]);
    }
  });

  it('S34 spends all entries or none', async () => {
    const [code, token, nextCode] = [entry('totp'), entry('token'), entry('totp')];
    expect(await spend([code, token])).toBe(true);
    expect(await spend([nextCode, token])).toBe(false);
    expect(await spend([token, nextCode])).toBe(false);
    expect(await spend([nextCode])).toBe(true);
  });

  it('S29 spends nothing for no entries, or for an entry named twice', async () => {
    const code = entry('totp');
    expect(await spend([])).toBe(false);
    expect(await spend([code, code])).toBe(false);
    expect(await spend([code])).toBe(true);
  });

  it('S43 spends nothing for another security stamp, user or backup set', async () => {
    const code = entry('backup_code', randomUUID(), null);
    await stores().accounts.commit(userId(), NOW, { backupSetId: 'live' });
    expect(await spend([code], { securityStamp: NOW + 1 })).toBe(false);
    expect(await spend([code], { securityStamp: NOW - 1 })).toBe(false);
    expect(await spend([code], { userId: 'nobody' })).toBe(false);
    expect(await spend([code], { backupSetId: 'old' })).toBe(false);
    expect(await spend([code], { backupSetId: 'live' })).toBe(true);
  });

  it('S61 purges expired rows, to the millisecond, oldest first and in batches', async () => {
    const [oldest, middle, newest, future] = [-2, -1, 0, 1].map((offset) => entry('totp', randomUUID(), NOW + offset));
    const forEver = entry('backup_code', randomUUID(), null);
    await spend([newest!, oldest!, future!, middle!, forEver]);
    expect(await stores().usage.purge(NOW, 2)).toBe(2);
    expect(await spend([newest!])).toBe(false);
    expect(await spend([oldest!, middle!])).toBe(true);
    expect(await stores().usage.purge(NOW, 100)).toBe(3);
    expect(await stores().usage.purge(NOW, 100)).toBe(0);
    expect([await spend([future!]), await spend([forEver])]).toEqual([false, false]);
  });

  it('removes every row of one user', async () => {
    const other = `user-${randomUUID()}`;
    await stores().accounts.open(other, NOW);
    const [mine, theirs] = [entry('totp'), entry('totp')];
    await spend([mine]);
    await spend([theirs], { userId: other });
    await stores().usage.removeAll(userId());
    expect(await spend([mine])).toBe(true);
    expect(await spend([theirs], { userId: other })).toBe(false);
  });
}

/** A repeatable source of numbers from 0 to 1 (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
