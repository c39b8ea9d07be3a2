import { beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification } from '../../../../../test/support/in-memory-verification.js';
import { DEFAULT_ATTEMPT_POLICY, EMPTY_BUDGET } from '../attempts/attempt-budget.js';
import type { VerificationAttempt, VerificationCompletion } from './verification.store.js';

let mfa: ReturnType<typeof inMemoryVerification>;
let attempt: VerificationAttempt;
let completion: VerificationCompletion;
let phoneId: string;

beforeEach(async () => {
  mfa = inMemoryVerification();
  ({ id: phoneId } = await mfa.enroll('ann'));
  const nowMs = mfa.clock.nowMs();
  const { securityStamp } = mfa.state.accounts.get('ann')!;
  attempt = { userId: 'ann', budget: 'totp', rows: 'authenticators', policy: DEFAULT_ATTEMPT_POLICY, nowMs };
  const entries = [{ kind: 'totp', item: `${phoneId}:1`, expiresAtMs: null }] as const;
  completion = {
    ...attempt,
    securityStamp,
    entries,
    use: { rows: 'authenticators', id: phoneId },
    endsRecovery: false,
  };
});

const TOKEN = { kind: 'token', item: 'token', expiresAtMs: null } as const;
const begin = (changes: Partial<VerificationAttempt> = {}) => mfa.store.reserveAttempt({ ...attempt, ...changes });
const complete = (changes: Partial<VerificationCompletion> = {}) =>
  mfa.store.spendAndSettle({ ...completion, ...changes });
const budget = () => mfa.budgetOf('ann', 'totp');

function changeAccount(change: object): void {
  mfa.state.accounts.set('ann', { ...mfa.state.accounts.get('ann')!, ...change });
}

const spendToken = () =>
  mfa.usage.spend({ ...completion, entries: [{ kind: 'token', item: 'token', expiresAtMs: null }] });

describe('reserveAttempt', () => {
  it('S50 gives the account as it was, and counts the attempt', async () => {
    const { snapshot, reserved } = await begin({
      securityStamp: completion.securityStamp,
      token: TOKEN,
      digits: 6,
    });
    expect(reserved).toBe(true);
    expect(snapshot).toMatchObject({ account: { userId: 'ann' }, authenticators: [{ id: phoneId }], backupCodes: [] });
    expect(snapshot!.account.budgets.totp).toEqual(EMPTY_BUDGET);
    expect(budget()).toMatchObject({ failures: 1 });
  });

  it.each<[string, () => Partial<VerificationAttempt> | Promise<Partial<VerificationAttempt>>]>([
    ['S43 the security stamp is another', () => ({ securityStamp: completion.securityStamp + 1 })],
    ['S34 the token is spent', async () => (await spendToken(), { token: TOKEN })],
    ['nothing is enabled', () => (changeAccount({ activeFactors: [] }), {})],
    ['S42 the row is of another user', () => (changeAccount({ userId: 'Ann' }), {})],
    ['no authenticator makes such codes', () => ({ digits: 8 })],
    ['S54 the factor is locked', () => (changeAccount({ budgets: locked() }), {})],
  ])('counts nothing where %s', async (_, arrange) => {
    const changes = await arrange();
    const before = budget();
    const { reserved, snapshot } = await begin(changes);
    expect(reserved).toBe(false);
    expect(snapshot).not.toBeNull();
    expect(budget()).toEqual(before);
  });

  const locked = () => {
    const { budgets } = mfa.state.accounts.get('ann')!;
    return { ...budgets, totp: { failures: 5, lockedUntilMs: attempt.nowMs + 1, dailyTatMs: 0 } };
  };

  it('reserves nothing where the factor is locked already', async () => {
    changeAccount({ budgets: locked() });
    const reserve = vi.spyOn(mfa.accounts, 'reserve');
    await begin();
    expect(reserve).not.toHaveBeenCalled();
    await begin({ nowMs: attempt.nowMs + 1 });
    expect(reserve).toHaveBeenCalledTimes(1);
  });

  it('is all right with a spent token that nobody asks about, and with a digit that fits any authenticator', async () => {
    await spendToken();
    await mfa.enroll('ann', { digits: 8 });
    for (const digits of [undefined, 6, 8]) expect(await begin({ digits })).toMatchObject({ reserved: true });
    expect(await begin({ digits: 7 })).toMatchObject({ reserved: false });
  });

  it('finds no account where there is none', async () => {
    expect(await begin({ userId: 'bob' })).toEqual({ snapshot: null, reserved: false });
  });

  it('S29 takes nothing but `true` for a reservation', async () => {
    vi.spyOn(mfa.accounts, 'reserve').mockResolvedValue(1 as never);
    expect(await begin()).toMatchObject({ reserved: false });
  });

  it('reads the codes for a backup code, those of the live set', async () => {
    await mfa.giveBackupCodes('ann', ['ABCD-EFGH']);
    await mfa.giveBackupCodes('ann', ['JKLM-NPQR', 'STUV-WXYZ']);
    const { snapshot, reserved } = await begin({ budget: 'backup_code', rows: 'backup codes' });
    expect(reserved).toBe(true);
    const { backupSetId } = mfa.state.accounts.get('ann')!;
    expect(snapshot!.backupCodes.map(({ setId }) => setId)).toEqual([backupSetId, backupSetId]);
    expect(mfa.budgetOf('ann', 'backup_code')).toMatchObject({ failures: 1 });
    expect(budget()).toEqual(EMPTY_BUDGET);
  });
});

describe('spendAndSettle', () => {
  it('S54 spends, ends the run of failures and notes the use', async () => {
    await begin();
    expect(await complete()).toBe(true);
    expect([...mfa.state.usage.values()]).toMatchObject([{ userId: 'ann', kind: 'totp', item: `${phoneId}:1` }]);
    expect(budget()).toMatchObject({ failures: 0, lockedUntilMs: 0 });
    expect(mfa.state.authenticators.get(phoneId)!.lastUsedAtMs).toBe(attempt.nowMs);
  });

  it('S29 changes nothing where spending was lost, or answers anything but `true`', async () => {
    await begin();
    const before = budget();
    expect(await complete({ securityStamp: completion.securityStamp + 1 })).toBe(false);
    vi.spyOn(mfa.usage, 'spend').mockResolvedValue(1 as never);
    expect(await complete()).toBe(false);
    expect(budget()).toEqual(before);
    expect(mfa.state.authenticators.get(phoneId)!.lastUsedAtMs).toBeNull();
  });

  it('S104 ends a recovery code after a proof without a budget, in a statement that is sent only for a live one', async () => {
    const endRecovery = vi.spyOn(mfa.accounts, 'endRecovery');
    changeAccount({ recovery: { hash: 'hash', expiresAtMs: attempt.nowMs } });
    expect(await complete({ budget: null })).toBe(true);
    expect(await complete({ budget: null, endsRecovery: true })).toBe(false);
    expect(endRecovery).not.toHaveBeenCalled();
    const entries = [{ kind: 'webauthn', item: 'another', expiresAtMs: null }];
    expect(await complete({ budget: null, endsRecovery: true, entries })).toBe(true);
    expect(endRecovery).toHaveBeenCalledExactlyOnceWith('ann');
    expect(mfa.state.accounts.get('ann')!.recovery).toBeNull();
  });

  it('notes the use of a backup code with the code', async () => {
    await mfa.giveBackupCodes('ann', ['ABCD-EFGH', 'JKLM-NPQR']);
    const [credentialId] = mfa.state.backupCodes.keys();
    const entries = [{ kind: 'backup_code', item: credentialId!, expiresAtMs: null }] as const;
    expect(await complete({ budget: 'backup_code', use: { rows: 'backup codes', id: credentialId! }, entries })).toBe(
      true,
    );
    const used = [...mfa.state.backupCodes.values()].map(({ id, usedAtMs }) => [id === credentialId, usedAtMs]);
    expect(used).toEqual([
      [true, attempt.nowMs],
      [false, null],
    ]);
    expect(mfa.state.authenticators.get(phoneId)!.lastUsedAtMs).toBeNull();
  });
});
