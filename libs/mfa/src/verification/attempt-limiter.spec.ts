import { beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification } from '../../../../test/support/in-memory-verification.js';
import type { MfaAccount } from '../domain/accounts/account.js';

let mfa: ReturnType<typeof inMemoryVerification>;
let account: MfaAccount;
beforeEach(async () => {
  mfa = inMemoryVerification();
  await mfa.enroll('ann');
  ({ account } = (await mfa.accounts.load('ann'))!);
});

const reserve = () => mfa.limiter.reserve(account, 'password');
const untouched = { failures: 0, lockedUntilMs: 0, dailyTatMs: 0 };

describe('AttemptLimiter', () => {
  it('S50 counts an attempt as failed, for its own factor alone', async () => {
    await reserve();
    expect(mfa.budgetOf('ann', 'password')).toMatchObject({ failures: 1, lockedUntilMs: 0 });
    expect(mfa.budgetOf('ann', 'totp')).toEqual(untouched);
    expect(mfa.told).toEqual([]);
  });

  it('S65 names the request in the event of a refusal', async () => {
    for (let tries = 0; tries < 5; tries += 1) await reserve();
    const emit = vi.spyOn(mfa.events, 'emit');
    const context = {} as never;
    await expect(mfa.limiter.reserve(account, 'password', context)).rejects.toMatchObject({ code: 'MFA_LOCKED' });
    expect(emit).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ failure: 'locked' }), context);
  });

  it('S65 emits 20 events of an account that is locked, however often it is tried', async () => {
    for (let tries = 0; tries < 5; tries += 1) await reserve();
    for (let tries = 0; tries < 22; tries += 1) await expect(reserve()).rejects.toMatchObject({ code: 'MFA_LOCKED' });
    expect(mfa.failures()).toEqual(Array(20).fill({ factor: 'password', failure: 'locked' }));
  });

  it('S54 S57 admits five, and returns to the sixth how long to wait', async () => {
    for (let tries = 0; tries < 5; tries += 1) await reserve();
    mfa.clock.advance(100);
    await expect(reserve()).rejects.toMatchObject({ code: 'MFA_LOCKED', details: { retryAfterSeconds: 800 } });
    expect(mfa.failures()).toEqual([{ factor: 'password', failure: 'locked' }]);
    mfa.clock.advance(800);
    await expect(reserve()).resolves.toBeUndefined();
  });

  it.each<[string, () => Promise<unknown>]>([
    ['another securityStamp', () => mfa.accounts.invalidate('ann')],
    ['no account any more', () => mfa.accounts.remove('ann')],
  ])('S43 counts nothing where there is %s, and answers as to a wrong code', async (_, change) => {
    await change();
    await expect(reserve()).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect(mfa.failures()).toEqual([{ factor: 'password', failure: 'state_changed' }]);
    expect(mfa.state.accounts.get('ann')?.budgets.password ?? untouched).toEqual(untouched);
  });

  it('S29 takes nothing but `true` for a reservation', async () => {
    vi.spyOn(mfa.accounts, 'reserve').mockResolvedValue(1 as never);
    await expect(reserve()).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
  });

  it('explains a refusal by the account as it was seen, and reads it again only where that explains nothing', async () => {
    const load = vi.spyOn(mfa.accounts, 'load');
    const budgets = { ...account.budgets, totp: { ...untouched, lockedUntilMs: mfa.clock.nowMs() + 9_000 } };
    const refusal = await mfa.limiter.refusal('ann', 'totp', { seen: { ...account, budgets } });
    expect(refusal).toMatchObject({ code: 'MFA_LOCKED', details: { retryAfterSeconds: 9 } });
    expect(load).not.toHaveBeenCalled();
    expect(await mfa.limiter.refusal('ann', 'totp', { seen: account })).toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('S54 ends the run of failures after a success, and gives that attempt back', async () => {
    await reserve();
    const { dailyTatMs } = mfa.budgetOf('ann', 'password');
    await reserve();
    await mfa.limiter.settle('ann', 'password');
    expect(mfa.budgetOf('ann', 'password')).toEqual({ failures: 0, lockedUntilMs: 0, dailyTatMs });
  });

  it('S54 ends failures and lock without a reservation, and gives the daily cap nothing back', async () => {
    for (let tries = 0; tries < 5; tries += 1) await reserve();
    const { dailyTatMs } = mfa.budgetOf('ann', 'password');
    await mfa.limiter.endFailures('ann', 'password');
    expect(mfa.budgetOf('ann', 'password')).toEqual({ failures: 0, lockedUntilMs: 0, dailyTatMs });
  });

  it('S58 takes a reservation back as if it had not been', async () => {
    await reserve();
    const before = mfa.budgetOf('ann', 'password');
    await reserve();
    await mfa.limiter.release('ann', 'password');
    expect(mfa.budgetOf('ann', 'password')).toEqual(before);
  });
});
