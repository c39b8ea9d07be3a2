import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment } from '../../../../test/support/in-memory-enrollment.js';
import { normaliseCode } from '../domain/code.js';
import { recoveryHash } from '../domain/recovery/recovery-code.js';
import { busyError, MfaError } from '../domain/mfa-error.js';
import type { WhenKnown } from '../domain/usage/usage.store.js';
import type { EnrollingLogin } from './enrollers.js';

const CODE = 'ABCD-EFGH-2345-6789';
const EXPIRES_MS = 5_000_000_000_000;

let mfa: ReturnType<typeof inMemoryEnrollment>;
let login: EnrollingLogin;
const authorize = vi.fn<(userId: string, request: object, context?: unknown) => unknown>();
beforeEach(async () => {
  mfa = inMemoryEnrollment();
  mfa.host.authorizeEnrollment = authorize as never;
  authorize.mockReset().mockReturnValue(true);
  await mfa.accounts.open('ann', mfa.clock.nowMs());
  const spend = { kind: 'token', item: 'token-1', expiresAtMs: EXPIRES_MS } as const;
  login = { reason: 'policy', spend, holds: () => true };
});
afterEach(() => vi.restoreAllMocks());

const load = async () => (await mfa.accounts.load('ann'))!;
const require = async (changes: Partial<EnrollingLogin> = {}, request: object = {}) =>
  mfa.authorization.require(await load(), { ...login, ...changes }, request);
const stored = () => [...mfa.state.usage.values()].map(({ kind, item, expiresAtMs }) => ({ kind, item, expiresAtMs }));
const AUTHORIZED = { kind: 'authorized', item: 'token-1', expiresAtMs: EXPIRES_MS };
const refused = expect.objectContaining({ code: 'MFA_PROOF_REQUIRED', details: { proof: ['recovery_code'] } });

describe('the authorization of an enrollment within a login', () => {
  it('S100 is what the host decides, once for each token', async () => {
    const context = {};
    await require({}, { context });
    expect(authorize).toHaveBeenCalledExactlyOnceWith('ann', { reason: 'policy' }, context);
    expect(stored()).toEqual([AUTHORIZED]);
    await require();
    expect(authorize).toHaveBeenCalledTimes(1);
    await require({ reason: 'reset', spend: { ...login.spend, item: 'token-2' } });
    expect(authorize).toHaveBeenLastCalledWith('ann', { reason: 'reset' }, undefined);
  });

  it.each([false, undefined, null, 1, 'true', {}])('S100 is refused where the host returns %j', async (result) => {
    authorize.mockReturnValue(result);
    await expect(require()).rejects.toEqual(refused);
    authorize.mockReturnValue(Promise.resolve(result));
    await expect(require()).rejects.toEqual(refused);
    expect(stored()).toEqual([]);
  });

  it('S45 is refused with what the host throws', async () => {
    const failure = new Error('mail server');
    authorize.mockRejectedValue(failure);
    await expect(require()).rejects.toBe(failure);
    expect(stored()).toEqual([]);
  });

  it('needs no host after a proof, or after a recovery code', async () => {
    await require({ proved: true });
    await require({ reason: 'recovery' });
    expect(authorize).not.toHaveBeenCalled();
    expect(stored()).toEqual([]);
  });

  it('S100 is given by the option allowPasswordOnly only where the host has no method', async () => {
    const allowPasswordOnly = { enrollment: { proof: 'session-only', allowPasswordOnly: true } } as const;
    mfa = inMemoryEnrollment(allowPasswordOnly);
    await mfa.accounts.open('ann', mfa.clock.nowMs());
    await expect(require()).resolves.toBeUndefined();
    mfa.host.authorizeEnrollment = authorize as never;
    authorize.mockReturnValue(false);
    await expect(require()).rejects.toEqual(refused);
  });

  it('S100 is refused without method and option', async () => {
    delete mfa.host.authorizeEnrollment;
    await expect(require()).rejects.toEqual(refused);
  });

  it('is the one of a parallel setup that was stored first', async () => {
    const spend = mfa.usage.spend.bind(mfa.usage);
    vi.spyOn(mfa.usage, 'spend').mockImplementationOnce(async (spending) => {
      await spend(spending);
      return spend(spending);
    });
    await expect(require()).resolves.toBeUndefined();
  });

  it('S43 is refused where the account changed in the meantime', async () => {
    const before = await load();
    await mfa.accounts.invalidate('ann');
    await expect(mfa.authorization.require(before, login, {})).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
  });
});

describe('a recovery code as authorization', () => {
  const request = (code: string) => ({ code, method: 'recovery_code' });

  beforeEach(async () => {
    const hash = recoveryHash('ann', normaliseCode(CODE), mfa.options.keyRing.newest);
    await mfa.change('ann', { recovery: { hash, expiresAtMs: mfa.clock.nowMs() + 1000 } });
    authorize.mockReturnValue(false);
  });

  it('S104 is spent with the decision, in any spelling, and ends', async () => {
    await require({}, request(' abcd efgh 2345 6789 '));
    expect(authorize).not.toHaveBeenCalled();
    expect(
      stored()
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(['authorized', 'recovery_code']);
    expect((await load()).account.recovery).toBeNull();
    expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 0 });
    expect(await mfa.toldTypes()).toEqual(['mfa.verification.succeeded', 'mfa.recovery_code.used']);
    expect(mfa.told[0]).toMatchObject({ userId: 'ann', factor: 'recovery_code' });
    await expect(require()).resolves.toBeUndefined();
    const other = { spend: { ...login.spend, item: 'token-2' } };
    await expect(require(other, request(CODE))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
  });

  it('S70 costs no attempt where it is spent already, nor where that cannot be read', async () => {
    await require({}, request(CODE));
    const other = { spend: { ...login.spend, item: 'token-2' } };
    for (let times = 0; times < 6; times += 1) {
      await expect(require(other, request(CODE))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    }
    expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 0, lockedUntilMs: 0 });
    const list = vi.spyOn(mfa.usage, 'list');
    // The first read is that of the decision.
    list.mockResolvedValueOnce([]).mockRejectedValueOnce(busyError());
    await expect(require(other, request(CODE))).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 0, lockedUntilMs: 0 });
  });

  it('S50 costs an attempt where it is wrong, and none where it has another format', async () => {
    await expect(require({}, request('ABCD-EFGH-2345-6780'))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 1 });
    await expect(require({}, request('123456'))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 1 });
    await Promise.resolve();
    expect(mfa.failures()).toEqual([
      { factor: 'recovery_code', failure: 'wrong_code' },
      { factor: 'recovery_code', failure: 'malformed' },
    ]);
    expect(stored()).toEqual([]);
  });

  it.each(['malformed', 'already_spent'])(
    'S65 emits 20 events where it is refused as %s, which costs no attempt',
    async (failure) => {
      vi.spyOn(mfa.usage, 'spend').mockResolvedValue(false);
      const code = failure === 'malformed' ? 'x' : CODE;
      for (let tries = 0; tries < 22; tries += 1)
        await expect(require({}, request(code))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
      await Promise.resolve();
      expect(mfa.failures()).toEqual(Array(20).fill({ factor: 'recovery_code', failure }));
    },
  );

  it('S24 is a bad request where it is not text', async () => {
    await expect(require({}, { method: 'recovery_code' })).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
  });

  it('S57 is locked after too many failures, also for the right code', async () => {
    for (let tries = 0; tries < 5; tries += 1) await require({}, request('ABCD-EFGH-2345-6780')).catch(() => undefined);
    await expect(require({}, request(CODE))).rejects.toMatchObject({ code: 'MFA_LOCKED' });
    expect(stored()).toEqual([]);
  });

  it('S104 is refused where another code was issued after the account was read', async () => {
    const before = await load();
    await mfa.change('ann', { recovery: { hash: 'of a newer code', expiresAtMs: EXPIRES_MS } });
    await expect(mfa.authorization.require(before, login, request(CODE))).rejects.toMatchObject({
      code: 'MFA_CODE_REJECTED',
    });
    expect(stored()).toEqual([]);
    expect((await load()).account.recovery).not.toBeNull();
  });

  it.each<[string, (whenKnown: WhenKnown) => unknown, number]>([
    ['was spent too late', (whenKnown) => whenKnown(true), 0],
    ['was certainly not spent', (whenKnown) => whenKnown(false), 0],
    ['may have been spent', () => undefined, 1],
  ])(
    'S70 is right, and its attempt stays counted only while it may have been spent: one that %s',
    async (_, end, failures) => {
      const spend = vi.spyOn(mfa.usage, 'spend').mockRejectedValueOnce(new MfaError('MFA_BUSY'));
      await expect(require({}, request(CODE))).rejects.toMatchObject({ code: 'MFA_BUSY' });
      expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 1 });
      const [, given] = spend.mock.lastCall as unknown as [unknown, WhenKnown];
      await end(given);
      expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures });
    },
  );

  it('S70 costs no attempt where it is right and its race is lost', async () => {
    vi.spyOn(mfa.usage, 'spend').mockResolvedValueOnce(false);
    await expect(require({}, request(CODE))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    expect(mfa.budgetOf('ann', 'recovery_code')).toMatchObject({ failures: 0 });
    await Promise.resolve();
    expect(mfa.failures()).toEqual([{ factor: 'recovery_code', failure: 'already_spent' }]);
  });
});
