import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  DEFAULT_ATTEMPT_POLICY,
  EMPTY_BUDGET,
  reserveBudget,
  settleBudget,
} from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';
import type {
  VerificationAttempt,
  VerificationCompletion,
} from '../../libs/mfa/src/domain/verification/verification.store.js';
import { recoverySettling } from './recovery-contract.js';
import { authenticator, backupCode, entry, type VerificationFixture } from './rows.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;

/** What every implementation of the two steps around a code does alike. */
export function describeVerification(stores: () => VerificationFixture): void {
  const user = { id: '', totp: '', setId: '', codes: [] as string[] };

  /** A user with an authenticator of 6 digits, a pending one of 7, one of 8 that was removed, and two sets of codes. */
  beforeEach(async () => {
    const { accounts, authenticators, backupCodes } = stores();
    user.id = `user-${randomUUID()}`;
    await accounts.open(user.id, NOW);
    const [active, pending, removed] = [6, 7, 8].map((digits) => authenticator(user.id, { digits }));
    for (const each of [active!, pending!, removed!]) await authenticators.add(each);
    const [live, old] = [randomUUID(), randomUUID()];
    const codes = [0, 1, 2].map(() => backupCode(user.id, live));
    await backupCodes.add([...codes, backupCode(user.id, old), backupCode('somebody else', live)]);
    const change = { activeFactors: [{ type: 'totp', id: active!.id }], pendingId: pending!.id, backupSetId: live };
    await accounts.commit(user.id, NOW, change);
    Object.assign(user, { totp: active!.id, setId: live, codes: codes.map(({ id }) => id).sort() });
  });

  const load = async () => (await stores().accounts.load(user.id))!;
  const begin = (rest: Partial<VerificationAttempt> = {}) =>
    stores().verification.reserveAttempt({
      userId: user.id,
      budget: 'totp',
      rows: 'authenticators',
      digits: 6,
      policy,
      nowMs: NOW,
      ...rest,
    });
  const backup = { budget: 'backup_code', rows: 'backup codes', digits: undefined } as const;
  const complete = (entries: UsageEntry[], rest: Partial<VerificationCompletion> = {}) =>
    stores().verification.spendAndSettle({
      ...{
        userId: user.id,
        securityStamp: NOW,
        entries,
        budget: 'totp',
        use: { rows: 'authenticators', id: user.totp },
        endsRecovery: false,
        policy,
        nowMs: NOW,
      },
      ...rest,
    });
  const spend = (entries: UsageEntry[]) =>
    stores().usage.spend({ userId: user.id, securityStamp: NOW, entries, nowMs: NOW });
  const usedCodes = async () => {
    const listed = await stores().backupCodes.list(user.id, user.setId);
    return listed.filter(({ usedAtMs }) => usedAtMs !== null).map(({ id, usedAtMs }) => [id, usedAtMs]);
  };

  describe('recovery codes', () => recoverySettling(stores));

  describe('reserveAttempt', () => {
    it('S50 counts an attempt of this factor, and returns the account as it was before', async () => {
      const before = await load();
      const { snapshot, reserved } = await begin();
      expect(reserved).toBe(true);
      expect(snapshot).toEqual({ ...before, authenticators: expect.any(Array), backupCodes: [], passkeys: [] });
      const byId = (rows: readonly { id: string }[]) => rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      expect(byId(snapshot!.authenticators)).toEqual(byId(before.authenticators));
      expect(snapshot!.authenticators).toHaveLength(3);
      expect((await load()).account.budgets).toEqual({
        ...before.account.budgets,
        totp: reserveBudget(EMPTY_BUDGET, policy, NOW),
      });
    });

    it('S56 reads the live set for a backup code, used codes too, and counts by that budget', async () => {
      await spend([entry('backup_code', user.codes[0], null)]);
      const { snapshot, reserved } = await begin(backup);
      expect(reserved).toBe(true);
      expect(snapshot).toMatchObject({ authenticators: [], backupCodesRemaining: 2, tokenSpent: false });
      expect(snapshot!.backupCodes).toEqual(await stores().backupCodes.list(user.id, user.setId));
      expect(snapshot!.backupCodes.map(({ id }) => id)).toEqual(user.codes);
      const { budgets } = (await load()).account;
      expect([budgets.totp.failures, budgets.backup_code.failures]).toEqual([0, 1]);
    });

    it('S56 counts by the budget of each factor in turn, and by the policy that is given', async () => {
      const lax = { ...policy, disableAfter: policy.disableAfter + 1 };
      const counted = [];
      for (const claim of [
        { digits: undefined },
        backup,
        { digits: undefined, policy: lax },
        { ...backup, policy: lax },
      ]) {
        expect((await begin(claim)).reserved).toBe(true);
        const { totp, backup_code } = (await load()).account.budgets;
        counted.push([totp.failures, backup_code.failures]);
      }
      expect(counted).toEqual([
        [1, 0],
        [1, 1],
        [2, 1],
        [2, 2],
      ]);
      const strict = { ...policy, disableAfter: 2 };
      expect((await begin({ policy: strict })).reserved).toBe(false);
      expect((await begin({ ...backup, policy: strict })).reserved).toBe(false);
      expect((await begin()).reserved).toBe(true);
    });

    it('reads no codes where there is no set, and counts the attempt', async () => {
      await stores().accounts.commit(user.id, NOW + 1, { backupSetId: null });
      const { snapshot, reserved } = await begin(backup);
      expect([snapshot?.backupCodes, snapshot?.backupCodesRemaining, reserved]).toEqual([[], 0, true]);
    });

    it('counts for the current security stamp, and for a token that only other users or other kinds have spent', async () => {
      const [token, other] = [entry('token'), `user-${randomUUID()}`];
      await stores().accounts.open(other, NOW);
      await stores().usage.spend({ userId: other, securityStamp: NOW, entries: [token], nowMs: NOW });
      await spend([entry('totp', token.item)]);
      const { snapshot, reserved } = await begin({ securityStamp: NOW, token });
      expect([snapshot?.tokenSpent, reserved]).toEqual([false, true]);
    });

    it('counts for the digits of any confirmed authenticator', async () => {
      const second = authenticator(user.id, { digits: 8 });
      await stores().authenticators.add(second);
      await stores().accounts.commit(user.id, NOW + 1, {
        activeFactors: [
          { type: 'totp', id: user.totp },
          { type: 'totp', id: second.id },
        ],
      });
      expect((await begin({ digits: 8 })).reserved).toBe(true);
      expect((await begin({ digits: 6 })).reserved).toBe(true);
      expect((await begin({ digits: undefined })).reserved).toBe(true);
    });

    it.each([
      ['other case', () => user.id.toUpperCase()],
      ['a trailing space', () => `${user.id} `],
      ['an accent', () => user.id.replace('u', 'ü')],
      ['nobody', () => 'nobody'],
    ])('S42 finds no user for %s, and counts nothing', async (_, userId) => {
      const before = await load();
      for (const claim of [{}, backup]) {
        expect(await begin({ userId: userId(), ...claim })).toEqual({ snapshot: null, reserved: false });
      }
      expect(await load()).toEqual(before);
    });

    const spentToken = entry('token');
    const DENIALS: [string, () => Promise<Partial<VerificationAttempt>>][] = [
      ['S43 for an earlier security stamp', async () => ({ securityStamp: NOW - 1 })],
      ['S43 for a later security stamp', async () => ({ securityStamp: NOW + 1 })],
      ['S55 for a spent token', async () => (await spend([spentToken]), { token: spentToken })],
      ['for the digits of a pending authenticator', async () => ({ digits: 7 })],
      ['for the digits of a removed authenticator', async () => ({ digits: 8 })],
      ['S57 while locked', () => fail(policy.maxFailures)],
      ['S54 when disabled', async () => (await fail(3), { policy: { ...policy, disableAfter: 3 } })],
      ['S54 over the daily cap', async () => (await fail(3), { policy: { ...policy, dailyBurst: 2 } })],
      ['S13 where nothing is enabled', async () => (await stores().accounts.commit(user.id, NOW + 1, off), {})],
    ];
    const off = { activeFactors: [] };
    async function fail(times: number): Promise<Partial<VerificationAttempt>> {
      for (let failure = 0; failure < times; failure += 1) {
        for (const factor of ['totp', 'backup_code'] as const) {
          await stores().accounts.reserve({ userId: user.id, securityStamp: NOW, factor, policy, nowMs: NOW });
        }
      }
      return {};
    }

    it.each(DENIALS)('counts nothing %s', async (_, prepare) => {
      const rest = await prepare();
      const before = await load();
      const factors = rest.digits === undefined ? [{}, backup] : [{}];
      for (const factor of factors) {
        const { snapshot, reserved } = await begin({ ...rest, ...factor });
        expect(reserved).toBe(false);
        expect(snapshot?.account).toEqual(before.account);
        expect(snapshot?.tokenSpent).toBe(rest.token !== undefined);
      }
      expect(await load()).toEqual(before);
    });
  });

  describe('spendAndSettle', () => {
    it('S34 spends code and token, settles the budget and records the use', async () => {
      const [code, token] = [entry('totp'), entry('token')];
      await begin();
      await begin();
      await begin(backup);
      const before = (await load()).account.budgets;
      expect(await complete([code, token])).toBe(true);
      expect([await spend([code]), await spend([token])]).toEqual([false, false]);
      const { account, authenticators } = await load();
      expect(account.budgets).toEqual({ ...before, totp: settleBudget(before.totp, policy) });
      expect(authenticators.filter(({ lastUsedAtMs }) => lastUsedAtMs === NOW).map(({ id }) => id)).toEqual([
        user.totp,
      ]);
      expect(await usedCodes()).toEqual([]);
    });

    it('S56 settles the budget of a backup code, and records its use', async () => {
      await begin();
      await begin(backup);
      const before = (await load()).account.budgets;
      const used = {
        budget: 'backup_code',
        use: { rows: 'backup codes', id: user.codes[1]! },
        backupSetId: user.setId,
      } as const;
      expect(await complete([entry('backup_code', user.codes[1], null)], used)).toBe(true);
      const { account, authenticators, backupCodesRemaining } = await load();
      expect(account.budgets).toEqual({ ...before, backup_code: settleBudget(before.backup_code, policy) });
      expect(await usedCodes()).toEqual([[user.codes[1], NOW]]);
      expect(authenticators.map(({ lastUsedAtMs }) => lastUsedAtMs)).toEqual([null, null, null]);
      expect(backupCodesRemaining).toBe(2);
    });

    it('S56 settles the budget of each factor in turn', async () => {
      await begin();
      await begin(backup);
      const failures = async () => {
        const { totp, backup_code } = (await load()).account.budgets;
        return [totp.failures, backup_code.failures];
      };
      expect(await complete([entry('totp')])).toBe(true);
      expect(await failures()).toEqual([0, 1]);
      const code = { budget: 'backup_code', use: { rows: 'backup codes', id: user.codes[0]! } } as const;
      expect(await complete([entry('backup_code', user.codes[0], null)], code)).toBe(true);
      expect(await failures()).toEqual([0, 0]);
    });

    it('moves the last use forward only', async () => {
      const used = async () => (await load()).authenticators.find(({ id }) => id === user.totp)?.lastUsedAtMs;
      for (const [nowMs, expected] of [
        [NOW, NOW],
        [NOW - 1, NOW],
        [NOW + 1, NOW + 1],
      ] as const) {
        expect(await complete([entry('totp')], { nowMs })).toBe(true);
        expect(await used()).toBe(expected);
      }
    });

    it("records no use of another user's authenticator or code", async () => {
      const other = `user-${randomUUID()}`;
      await stores().accounts.open(other, NOW);
      const [device, code] = [authenticator(other), backupCode(other, user.setId)];
      await stores().authenticators.add(device);
      await stores().backupCodes.add([code]);
      await complete([entry('totp')], { use: { rows: 'authenticators', id: device.id } });
      await complete([entry('backup_code')], { budget: 'backup_code', use: { rows: 'backup codes', id: code.id } });
      expect(await stores().backupCodes.list(other, user.setId)).toEqual([code]);
      expect((await stores().accounts.load(other))!.authenticators).toEqual([device]);
      expect((await load()).authenticators.map(({ lastUsedAtMs }) => lastUsedAtMs)).toEqual([null, null, null]);
    });

    const spent = entry('totp');
    const fresh = entry('token');
    const LOSSES: [string, UsageEntry[], () => Partial<VerificationCompletion>][] = [
      ['S27 a spent code', [spent, fresh], () => ({})],
      ['S34 a spent one beside a fresh one, in whatever order', [fresh, spent], () => ({})],
      ['S29 no entry', [], () => ({})],
      ['S29 an entry named twice', [fresh, fresh], () => ({})],
      ['S43 an earlier security stamp', [fresh], () => ({ securityStamp: NOW - 1 })],
      ['S43 a later security stamp', [fresh], () => ({ securityStamp: NOW + 1 })],
      ['S33 another backup set', [fresh], () => ({ backupSetId: randomUUID() })],
      ['S42 another user', [fresh], () => ({ userId: 'nobody' })],
      ['S42 a user of other case', [fresh], () => ({ userId: user.id.toUpperCase() })],
    ];

    it.each(LOSSES)('fails for %s, and changes nothing', async (_, entries, rest) => {
      await spend([spent]);
      await begin();
      await begin(backup);
      const before = await load();
      for (const used of [{}, { budget: 'backup_code', use: { rows: 'backup codes', id: user.codes[0]! } } as const]) {
        expect(await complete(entries, { ...used, ...rest() })).toBe(false);
      }
      expect(await load()).toEqual(before);
      expect(await usedCodes()).toEqual([]);
      expect(await spend([fresh])).toBe(true);
    });

    it('S43 fails after disabling', async () => {
      const { snapshot } = await begin();
      await stores().accounts.commit(user.id, NOW + 1, { securityStamp: NOW + 1, activeFactors: [] });
      expect(await complete([entry('totp')], { securityStamp: snapshot!.account.securityStamp })).toBe(false);
    });

    it('S54 follows the pure rules through a run of failures and successes', async () => {
      let expected = { ...EMPTY_BUDGET };
      for (let step = 0; step < 12; step += 1) {
        expected = reserveBudget(expected, policy, NOW + step)!;
        expect((await begin({ nowMs: NOW + step })).reserved).toBe(true);
        if (step % 3 > 0) {
          expected = settleBudget(expected, policy);
          expect(await complete([entry('totp')])).toBe(true);
        }
        expect((await load()).account.budgets.totp).toEqual(expected);
      }
    });
  });
}
