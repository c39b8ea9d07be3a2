import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment } from '../../../../../test/support/in-memory-enrollment.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { Enroller, EnrollingLogin } from '../../enrollment/enrollers.js';
import type { ActivationRequest } from './factor-activation.js';
import { hasSameFactors } from './factor-activation.js';

const ENTRY = { kind: 'webauthn', item: 'item', expiresAtMs: null };
const REJECTED = { code: 'MFA_CODE_REJECTED' };
let mfa: ReturnType<typeof inMemoryEnrollment>;
const reject = vi.fn<ActivationRequest['reject']>(() => new MfaError('MFA_CODE_REJECTED'));

beforeEach(async () => {
  mfa = inMemoryEnrollment();
  await mfa.accounts.open('ann', mfa.clock.nowMs());
  reject.mockClear();
});
afterEach(() => vi.restoreAllMocks());

const load = async () => (await mfa.accounts.load('ann'))!;
const sets = () => new Set([...mfa.state.backupCodes.values()].map(({ setId }) => setId));
async function activate(changes: Partial<ActivationRequest> = {}) {
  const factor = { type: 'card', id: 'c-1' };
  const enroller = await mfa.enrollers.of(mfa.of('ann'), 'card');
  const authenticator = { ...factor, name: 'Card', createdAt: new Date(0) };
  const proof = { enroller, proved: await load(), entry: ENTRY, reject };
  const request = { ...proof, factor, authenticator, context: undefined, isCurrent: () => true };
  return mfa.activation.activate({ ...request, ...changes });
}

describe('the activation of a factor', () => {
  it('S39 commits it with new backup codes, and ends a pending setup', async () => {
    await mfa.change('ann', { pendingId: 'p-1' });
    const { after, codes, remaining, tidyUp } = await activate();
    const { account } = await load();
    expect(account).toMatchObject({ pendingId: null, activeFactors: [{ type: 'card', id: 'c-1' }] });
    expect(account).toEqual(after.account);
    expect(sets()).toEqual(new Set([account.backupSetId]));
    expect([codes!.length, remaining]).toEqual([4, 4]);
    const end = vi.spyOn(mfa.accounts, 'endFailures');
    for (const step of tidyUp) await step();
    expect(end).toHaveBeenCalledExactlyOnceWith('ann', 'backup_code');
    expect([...mfa.state.backupCodes.values()].every(({ expiresAtMs }) => expiresAtMs === null)).toBe(true);
    expect([...mfa.state.usage.values()]).toMatchObject([{ ...ENTRY, userId: 'ann', spentAtMs: mfa.clock.nowMs() }]);
  });

  it('makes no codes where there is a set, leaves its number alone, and returns how many of it remain', async () => {
    await activate();
    const { setId } = [...mfa.state.backupCodes.values()][0]!;
    const commit = vi.spyOn(mfa.accounts, 'commit');
    const second = { factor: { type: 'card', id: 'c-2' }, entry: { ...ENTRY, item: 'second' } };
    const { codes, remaining, tidyUp, after } = await activate(second);
    expect({ codes, remaining, tidyUp }).toEqual({ codes: null, remaining: 4, tidyUp: [] });
    expect(commit.mock.lastCall![2]).not.toHaveProperty('backupSetId');
    expect(after.account).toMatchObject({ backupSetId: setId, activeFactors: [{ id: 'c-1' }, { id: 'c-2' }] });
  });

  it('leaves an account without codes where its set went meanwhile', async () => {
    await activate();
    const proved = await load();
    await mfa.change('ann', { backupSetId: null });
    const { after } = await activate({
      proved,
      factor: { type: 'card', id: 'c-2' },
      entry: { ...ENTRY, item: 'second' },
    });
    expect(after.account).toMatchObject({ backupSetId: null, activeFactors: [{ id: 'c-1' }, { id: 'c-2' }] });
  });

  it('S58 keeps the proof where hashing is too busy, and costs no hashing where it is spent', async () => {
    const make = vi.spyOn(mfa.hasher, 'hashSet').mockRejectedValueOnce(new MfaError('MFA_BUSY'));
    await expect(activate()).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect(mfa.state.usage.size).toBe(0);
    const proved = await load();
    const { securityStamp } = proved.account;
    await mfa.usage.spend({ userId: 'ann', securityStamp, entries: [ENTRY], nowMs: 0 });
    make.mockClear();
    await expect(activate()).rejects.toMatchObject(REJECTED);
    expect(reject).toHaveBeenCalledExactlyOnceWith('already_spent');
    expect(make).not.toHaveBeenCalled();
  });

  it('S30 spends nothing where the proof is spent already', async () => {
    const spend = vi.spyOn(mfa.usage, 'spend');
    await expect(activate({ entry: undefined as never })).resolves.toMatchObject({ remaining: 4 });
    expect(spend).not.toHaveBeenCalled();
  });

  it('S17 is lost, with its codes, where it is not current or the security stamp changed', async () => {
    const isCurrent = vi.fn<ActivationRequest['isCurrent']>(() => false);
    await expect(activate({ isCurrent })).rejects.toMatchObject(REJECTED);
    expect(isCurrent).toHaveBeenCalledExactlyOnceWith(await load());
    const proved = await load();
    await mfa.accounts.invalidate('ann');
    await expect(activate({ proved, entry: undefined as never })).rejects.toMatchObject(REJECTED);
    expect(reject.mock.calls).toEqual([['state_changed'], ['state_changed']]);
    expect(sets().size).toBe(0);
    expect((await load()).account.activeFactors).toEqual([]);
  });

  it('S79 leaves the codes to the cleanup where an error leaves open whether they count', async () => {
    const down = new Error('down');
    vi.spyOn(mfa.accounts, 'commit').mockRejectedValue(down);
    const known = vi.spyOn(mfa.accounts, 'load').mockImplementationOnce(mfa.accounts.load.bind(mfa.accounts));
    vi.spyOn(mfa.issuing, 'requireHeld').mockImplementation(() => {
      throw down;
    });
    await expect(activate()).rejects.toBe(down);
    expect(known).toHaveBeenCalled();
    expect(sets().size).toBe(1);
  });

  it('S79 is busy where its codes waited for longer than their grace', async () => {
    const isCurrent = () => {
      mfa.clock.advance(600);
      return true;
    };
    await expect(activate({ isCurrent })).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect((await load()).account).toMatchObject({ activeFactors: [], backupSetId: null });
  });

  it('S79 discards its codes where another set came first, and returns none', async () => {
    const proved = await load();
    const isCurrent = vi.fn<ActivationRequest['isCurrent']>(() => true);
    await mfa.change('ann', { backupSetId: 'other' });
    const { codes, remaining, tidyUp, after } = await activate({ proved, isCurrent });
    expect([codes, remaining, after.account.backupSetId]).toEqual([null, 0, 'other']);
    expect(sets().size).toBe(1);
    for (const step of tidyUp) await step();
    expect(tidyUp).toHaveLength(1);
    expect(sets().size).toBe(0);
  });

  it('holds 40 factors of one account', async () => {
    const activeFactors = Array.from({ length: 39 }, (_, index) => ({ type: 'card', id: `c-${index}` }));
    await mfa.change('ann', { activeFactors });
    const last = { factor: { type: 'card', id: 'last' } };
    expect((await activate(last)).after.account.activeFactors).toHaveLength(40);
    const more = { factor: { type: 'card', id: 'more' }, entry: { ...ENTRY, item: 'more' } };
    await expect(activate(more)).rejects.toMatchObject({ code: 'MFA_TOO_MANY_AUTHENTICATORS' });
  });

  it('S45 is refused where the account went', async () => {
    const proved = await load();
    await mfa.accounts.remove('ann');
    await expect(activate({ proved, entry: undefined as never })).rejects.toMatchObject(REJECTED);
    expect(sets().size).toBe(0);
  });

  it('S84 compares the factors and the backup codes of two readings', async () => {
    const a = await load();
    const changed = (to: object) => ({ ...a, account: { ...a.account, ...to } });
    expect(hasSameFactors(a, changed({ rowVersion: 9 }))).toBe(true);
    expect(hasSameFactors(a, changed({ backupSetId: 'set' }))).toBe(false);
    expect(hasSameFactors(a, changed({ activeFactors: [{ type: 'card', id: 'c-1' }] }))).toBe(false);
  });
});

describe('the row of a factor that is activated', () => {
  const discard = vi.fn<() => Promise<unknown>>(async () => undefined);
  beforeEach(() => discard.mockClear());

  it('S79 stays after the commit, and where an error of the commit leaves it open', async () => {
    await activate({ discard });
    const down = new Error('down');
    vi.spyOn(mfa.accounts, 'commit').mockRejectedValue(down);
    await expect(activate({ discard, entry: { ...ENTRY, item: 'second' } })).rejects.toBe(down);
    expect(discard).not.toHaveBeenCalled();
  });

  it('S79 is discarded after an error before the commit, and after a commit that was lost', async () => {
    const down = new Error('down');
    vi.spyOn(mfa.usage, 'spend').mockRejectedValueOnce(down);
    await expect(activate({ discard })).rejects.toBe(down);
    expect(discard).toHaveBeenCalledTimes(1);
    vi.spyOn(mfa.accounts, 'commit').mockResolvedValueOnce(false);
    const isCurrent = vi.fn<() => boolean>().mockReturnValueOnce(true).mockReturnValue(false);
    await expect(activate({ discard, isCurrent })).rejects.toMatchObject(REJECTED);
    expect(discard).toHaveBeenCalledTimes(2);
  });

  it('S79 is discarded after an error of the decision that follows a lost commit', async () => {
    const down = new Error('down');
    vi.spyOn(mfa.accounts, 'commit').mockResolvedValueOnce(false);
    const isCurrent = vi
      .fn<() => boolean>()
      .mockReturnValueOnce(true)
      .mockImplementation(() => {
        throw down;
      });
    await expect(activate({ discard, isCurrent })).rejects.toBe(down);
    expect(discard).toHaveBeenCalledOnce();
  });

  it('S79 is discarded without hiding the refusal where that fails', async () => {
    discard.mockRejectedValueOnce(new Error('down'));
    await expect(activate({ discard, isCurrent: () => false })).rejects.toMatchObject(REJECTED);
    expect(discard).toHaveBeenCalledOnce();
  });
});

describe('the activation of a factor within a login', () => {
  const TOKEN = { kind: 'token', item: 'token-1', expiresAtMs: 5_000_000_000_000 };
  const spent = () => [...mfa.state.usage.values()].map(({ kind }) => kind).sort();
  const within = async (login: Partial<EnrollingLogin>): Promise<Enroller> => ({
    ...(await mfa.enrollers.of(mfa.of('ann'), 'card')),
    login: { reason: 'policy', spend: TOKEN, holds: () => true, ...login },
  });

  it('S100 spends the token with the proof, both or neither', async () => {
    await activate({ enroller: await within({}) });
    expect(spent()).toEqual(['token', 'webauthn']);
    const second = { enroller: await within({}), entry: { ...ENTRY, item: 'second' } };
    await expect(activate(second)).rejects.toMatchObject(REJECTED);
    expect(reject).toHaveBeenCalledExactlyOnceWith('already_spent');
    expect(spent()).toEqual(['token', 'webauthn']);
  });

  it('S100 spends the token alone where the proof is spent already', async () => {
    await activate({ enroller: await within({}), entry: undefined as never });
    expect(spent()).toEqual(['token']);
    await expect(activate({ enroller: await within({}), entry: undefined as never })).rejects.toMatchObject(REJECTED);
  });

  it('S100 is lost where the token does not hold for the account as it is', async () => {
    const holds = vi.fn<EnrollingLogin['holds']>(() => false);
    await expect(activate({ enroller: await within({ holds }) })).rejects.toMatchObject(REJECTED);
    expect(holds).toHaveBeenCalledExactlyOnceWith(await load());
    expect(reject).toHaveBeenCalledExactlyOnceWith('state_changed');
    expect((await load()).account.activeFactors).toEqual([]);
  });

  it('S102 S104 ends the duty to enroll and a recovery code, and keeps the factors and the security stamp', async () => {
    await activate();
    const recovery = { hash: 'hash', expiresAtMs: 1 };
    await mfa.change('ann', { mustEnrollSinceMs: 1, recovery });
    const { securityStamp, backupSetId } = (await load()).account;
    const startGrace = vi.spyOn(mfa.passkeyFactor, 'startGrace');
    const second = { factor: { type: 'card', id: 'c-2' }, entry: { ...ENTRY, item: 'second' } };
    const { tidyUp } = await activate({ enroller: await within({ reason: 'reset' }), ...second });
    expect((await load()).account).toMatchObject({
      ...{ mustEnrollSinceMs: null, recovery: null, securityStamp, backupSetId },
      activeFactors: [{ id: 'c-1' }, { id: 'c-2' }],
    });
    expect(startGrace).not.toHaveBeenCalled();
    expect(tidyUp).toEqual([]);
  });

  it('S104 after a recovery code replaces every factor and the backup codes, and ends every other token', async () => {
    const { id } = await mfa.register('ann');
    const before = await load();
    const rows = { old: mfa.state.passkeys.get(id), oldSet: before.account.backupSetId };
    const graces: unknown[] = [];
    const commit = mfa.accounts.commit.bind(mfa.accounts);
    vi.spyOn(mfa.accounts, 'commit').mockImplementation(async (...given) => {
      graces.push(mfa.state.passkeys.get(id)!.expiresAtMs);
      return commit(...given);
    });
    const { after, codes, remaining, tidyUp } = await activate({ enroller: await within({ reason: 'recovery' }) });
    // The cleanup may collect the old rows, should this process end here.
    expect(graces).toEqual([mfa.clock.nowMs() + 600_000]);
    expect(after.account).toEqual((await load()).account);
    expect(after.account).toMatchObject({
      activeFactors: [{ type: 'card', id: 'c-1' }],
      securityStamp: before.account.securityStamp + 1,
    });
    expect(after.account.backupSetId).not.toBe(rows.oldSet);
    expect([codes!.length, remaining]).toEqual([4, 4]);
    expect(sets()).toEqual(new Set([rows.oldSet, after.account.backupSetId]));
    for (const step of tidyUp) await step();
    expect(sets()).toEqual(new Set([after.account.backupSetId]));
    expect(mfa.state.passkeys.size).toBe(0);
  });

  it('S104 after a recovery code keeps the row of the new factor, where that has rows beside the old ones', async () => {
    const { id: old } = await mfa.enroll('ann');
    const { id } = await mfa.enroll('ann', { expiresAtMs: 7 });
    await mfa.change('ann', { activeFactors: [{ type: 'totp', id: old }] });
    const replaced = { enroller: await within({ reason: 'recovery' }), factor: { type: 'totp', id } };
    const { tidyUp } = await activate(replaced);
    for (const step of tidyUp) await step();
    expect([...mfa.state.authenticators.values()]).toMatchObject([{ id, expiresAtMs: 7 }]);
  });
});
