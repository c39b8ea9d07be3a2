import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_ATTEMPT_POLICY } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import { ATTEMPT_FACTORS } from '../../libs/mfa/src/domain/attempts/attempt-policy.js';
import type { VerificationCompletion } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { entry, passkey, type Stores, type VerificationFixture } from './rows.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;
const RECOVERY = { hash: 'h'.repeat(128), expiresAtMs: NOW + 86_400_000 };

/** What every account store and usage store does alike with recovery codes and a required enrollment. */
export function recoveryContract(stores: () => Stores, userId: () => string): void {
  const account = async () => (await stores().accounts.load(userId()))!.account;

  it('S102 S104 commits a required enrollment and a recovery code with the other fields, and keeps what is left out', async () => {
    const change = { securityStamp: NOW + 5, activeFactors: [], mustEnrollSinceMs: NOW + 1, recovery: RECOVERY };
    expect(await stores().accounts.commit(userId(), NOW, change)).toBe(true);
    expect(await account()).toMatchObject({ ...change, rowVersion: NOW + 1 });
    await stores().accounts.commit(userId(), NOW + 1, { pendingId: 'p' });
    await stores().accounts.invalidate(userId());
    await stores().accounts.clearBudgets(userId());
    expect(await account()).toMatchObject({ mustEnrollSinceMs: NOW + 1, recovery: RECOVERY });
    const { rowVersion } = await account();
    await stores().accounts.commit(userId(), rowVersion, { mustEnrollSinceMs: null });
    expect(await account()).toMatchObject({ mustEnrollSinceMs: null, recovery: RECOVERY });
    await stores().accounts.commit(userId(), rowVersion + 1, { recovery: null });
    expect(await account()).toMatchObject({ mustEnrollSinceMs: null, recovery: null });
  });

  it('S104 replaces a recovery code, so that a user has one', async () => {
    const second = { hash: 'second', expiresAtMs: NOW + 5 };
    await stores().accounts.commit(userId(), NOW, { recovery: RECOVERY });
    await stores().accounts.commit(userId(), NOW + 1, { recovery: second });
    expect((await account()).recovery).toEqual(second);
  });

  it('S104 refuses a recovery code that was written over another row version', async () => {
    const change = { mustEnrollSinceMs: NOW, recovery: RECOVERY };
    expect(await stores().accounts.commit(userId(), NOW - 1, change)).toBe(false);
    expect(await account()).toMatchObject({ mustEnrollSinceMs: null, recovery: null });
  });

  it('S104 reads a recovery code for a list of users, for a login and with the rows of every factor', async () => {
    const change = { mustEnrollSinceMs: NOW, recovery: RECOVERY };
    await stores().accounts.commit(userId(), NOW, change);
    const { accounts } = stores();
    const read = [
      (await accounts.loadMany([userId()]))[0],
      (await accounts.loadForLogin(userId())).snapshot,
      ...(await Promise.all(
        (['authenticators', 'backup codes', 'passkeys', 'none'] as const).map((rows) =>
          accounts.loadWith(rows, userId()),
        ),
      )),
    ];
    for (const snapshot of read) expect(snapshot?.account).toMatchObject(change);
  });

  it.each(ATTEMPT_FACTORS)(
    'S104 ends a recovery code when an attempt of "%s" is settled, and not before',
    async (factor) => {
      const { accounts } = stores();
      await accounts.commit(userId(), NOW, { recovery: RECOVERY, mustEnrollSinceMs: NOW });
      const attempt = { userId: userId(), securityStamp: NOW, factor, policy, nowMs: NOW };
      expect(await accounts.reserve(attempt)).toBe(true);
      await accounts.release(userId(), factor, policy);
      expect(await accounts.reserve(attempt)).toBe(true);
      await accounts.endFailures(userId(), factor);
      await accounts.endLocks(userId());
      expect((await account()).recovery).toEqual(RECOVERY);
      await accounts.settle(userId(), factor, policy);
      expect(await account()).toMatchObject({ recovery: null, mustEnrollSinceMs: NOW, rowVersion: NOW + 1 });
    },
  );

  it('S104 ends a recovery code of exactly one user, and changes nothing else', async () => {
    const other = `user-${randomUUID()}`;
    await stores().accounts.open(other, NOW);
    await stores().accounts.commit(other, NOW, { recovery: RECOVERY });
    await stores().accounts.commit(userId(), NOW, { recovery: RECOVERY, mustEnrollSinceMs: NOW, pendingId: 'p' });
    const before = await account();
    await stores().accounts.endRecovery(userId().toUpperCase());
    await stores().accounts.endRecovery('nobody');
    expect(await account()).toEqual(before);
    await stores().accounts.endRecovery(userId());
    expect(await account()).toEqual({ ...before, recovery: null });
    expect((await stores().accounts.load(other))!.account.recovery).toEqual(RECOVERY);
  });

  it('S104 spends a recovery code only while the account has this one', async () => {
    const spend = (recoveryHash: string) =>
      stores().usage.spend({
        ...{ userId: userId(), securityStamp: NOW, recoveryHash, nowMs: NOW },
        entries: [entry('recovery_code', recoveryHash.slice(0, 64))],
      });
    expect(await spend(RECOVERY.hash)).toBe(false);
    await stores().accounts.commit(userId(), NOW, { recovery: RECOVERY });
    expect(await spend(RECOVERY.hash.toUpperCase())).toBe(false);
    expect(await spend(`${RECOVERY.hash.slice(0, -1)}x`)).toBe(false);
    expect(await stores().usage.list(userId())).toEqual([]);
    expect(await spend(RECOVERY.hash)).toBe(true);
    expect(await spend(RECOVERY.hash)).toBe(false);
    await stores().accounts.commit(userId(), NOW + 1, { recovery: null });
    await stores().usage.removeAll(userId());
    expect(await spend(RECOVERY.hash)).toBe(false);
  });

  it('stores the kinds of a recovery code and of an authorised enrollment', async () => {
    const entries = [entry('authorized'), entry('recovery_code')];
    await stores().usage.spend({ userId: userId(), securityStamp: NOW, entries, nowMs: NOW });
    expect((await stores().usage.list(userId())).map(({ kind }) => kind)).toEqual(['authorized', 'recovery_code']);
  });
}

/** What every implementation of spending and settling does alike with a recovery code. */
export function recoverySettling(stores: () => VerificationFixture): void {
  const user = { id: '', key: '' };

  beforeEach(async () => {
    user.id = `user-${randomUUID()}`;
    const key = passkey(user.id);
    user.key = key.id;
    await stores().accounts.open(user.id, NOW);
    await stores().passkeys.add(key);
    const activeFactors = [{ type: 'passkey', id: key.id }];
    await stores().accounts.commit(user.id, NOW, { activeFactors, recovery: RECOVERY, mustEnrollSinceMs: NOW });
  });

  const account = async () => (await stores().accounts.load(user.id))!.account;
  const counter = { from: 0, to: 1 };
  const complete = (rest: Partial<VerificationCompletion> = {}) =>
    stores().verification.spendAndSettle({
      ...{ userId: user.id, securityStamp: NOW, entries: [entry('webauthn')], nowMs: NOW, policy },
      ...{ budget: null, use: null, endsRecovery: true },
      ...rest,
    });
  type Use = Partial<Pick<VerificationCompletion, 'use'>>;
  const byPasskey = (): Use => ({
    use: { rows: 'passkeys', id: user.key, counter, backedUp: false, userVerified: true },
  });

  it.each(ATTEMPT_FACTORS)('S104 ends a recovery code with a proof that is counted as "%s"', async (budget) => {
    const before = await account();
    expect(await complete({ budget, endsRecovery: false })).toBe(true);
    expect(await account()).toEqual({ ...before, recovery: null });
  });

  it.each([
    ['a passkey', byPasskey],
    ['a credential of the host', (): Use => ({})],
  ])('S104 ends a recovery code with a proof of %s, which is not counted', async (_, use) => {
    const before = await account();
    expect(await complete(use())).toBe(true);
    expect(await account()).toEqual({ ...before, recovery: null });
    expect((await stores().passkeys.list(user.id))[0]?.counter).toBe(use().use ? counter.to : 0);
  });

  it('leaves the account unchanged after an uncounted proof where there was no recovery code', async () => {
    const before = await account();
    expect(await complete({ ...byPasskey(), endsRecovery: false })).toBe(true);
    expect(await account()).toEqual(before);
  });

  it('S104 keeps a recovery code where the proof was not accepted', async () => {
    const spent = entry('webauthn');
    await stores().usage.spend({ userId: user.id, securityStamp: NOW, entries: [spent], nowMs: NOW });
    const before = await account();
    for (const lost of [{ entries: [spent] }, { securityStamp: NOW + 1 }, { recoveryHash: 'other' }, { entries: [] }]) {
      for (const budget of [null, 'recovery_code', 'totp'] as const) {
        expect(await complete({ budget, ...lost })).toBe(false);
        expect(await complete({ ...byPasskey(), budget, ...lost })).toBe(false);
      }
    }
    expect(await account()).toEqual(before);
    expect((await stores().passkeys.list(user.id))[0]?.counter).toBe(0);
  });

  it('S104 accepts one of 20 parallel submissions of a recovery code, which have 20 mfa_tokens', async () => {
    const won = await Promise.all(
      Array.from({ length: 20 }, () =>
        complete({
          ...{ budget: 'recovery_code', recoveryHash: RECOVERY.hash, endsRecovery: false },
          entries: [entry('token'), entry('recovery_code', 'one')],
        }),
      ),
    );
    expect(won.filter(Boolean)).toEqual([true]);
    expect((await account()).recovery).toBeNull();
    expect(await stores().usage.list(user.id)).toHaveLength(2);
  });

  it('S104 refuses a recovery code that was read before another proof ended it', async () => {
    expect(await complete(byPasskey())).toBe(true);
    const late = { budget: 'recovery_code', recoveryHash: RECOVERY.hash, entries: [entry('recovery_code')] } as const;
    expect(await complete(late)).toBe(false);
  });

  describe('reserving', () => {
    it('S50 S104 counts attempts of a recovery code in a budget of its own', async () => {
      const attempt = { userId: user.id, budget: 'recovery_code', rows: 'none', policy, nowMs: NOW } as const;
      const { snapshot, reserved } = await stores().verification.reserveAttempt(attempt);
      expect([snapshot?.account.recovery, reserved]).toEqual([RECOVERY, true]);
      const { budgets, recovery } = await account();
      const failures = Object.entries(budgets).filter(([, { failures: count }]) => count > 0);
      expect(failures.map(([factor, { failures: count }]) => [factor, count])).toEqual([['recovery_code', 1]]);
      expect(recovery).toEqual(RECOVERY);
    });
  });
}
