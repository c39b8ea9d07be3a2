import { type ProofPurpose, readProof } from '../domain/verification/proof.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification, wrongCodeOf } from '../../../../test/support/in-memory-verification.js';
import { MfaError } from '../domain/mfa-error.js';
import type { MfaException } from '../errors/mfa.exception.js';
import type { VirtualAuthenticator } from '../testing/virtual-authenticator.js';
import { provedStamp, type Preparation, type ProofRequest } from './proof-verifier.js';

const REJECTED = { code: 'MFA_CODE_REJECTED', status: 401 };
/** As the verifier throws it; the service adds the status. */
const NOT_PASSED = { code: 'MFA_CODE_REJECTED' };
const NOT_COUNTED = { failures: 0, lockedUntilMs: 0, dailyTatMs: 0 };

let mfa: ReturnType<typeof inMemoryVerification>;
let phone: VirtualAuthenticator;

beforeEach(async () => {
  mfa = inMemoryVerification();
  ({ authenticator: phone } = await mfa.enroll('ann'));
});
afterEach(() => vi.restoreAllMocks());

const wrongCode = () => wrongCodeOf(phone);

describe('attempts', () => {
  it('S50 a wrong code counts', async () => {
    await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'totp')).toMatchObject({ failures: 1, lockedUntilMs: 0 });
    expect(mfa.failures()).toEqual([{ factor: 'totp', failure: 'wrong_code' }]);
  });

  it('S66 one answer is for codes that are wrong, used, too old, or of no shape', async () => {
    await mfa.login('ann', phone.code());
    const answers = [wrongCode(), phone.code(), phone.code(-2), 'hello'].map(async (code) => {
      const refusal = (await mfa.login('ann', code).catch((error: unknown) => error)) as MfaException;
      return { body: refusal.getResponse(), headers: refusal.headers };
    });
    expect(new Set((await Promise.all(answers)).map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  it('S65 S23 a code of a step outside the window is refused and counted as a wrong one, and its event has the skew', async () => {
    const skewed = [-10, -2, 2, 10];
    for (const steps of skewed) await expect(mfa.login('ann', phone.code(steps))).rejects.toMatchObject(REJECTED);
    await expect(mfa.login('ann', phone.code(11))).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toEqual([
      ...skewed.map((skewSteps) => ({ factor: 'totp', failure: 'clock_skew', skewSteps })),
      { factor: 'totp', failure: 'wrong_code' },
    ]);
    expect(mfa.budgetOf('ann', 'totp')).toMatchObject({ failures: 5 });
    expect(mfa.state.usage.size).toBe(0);
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject({ code: 'MFA_LOCKED' });
  });

  it('S65 a failure that counts is not throttled, and has a skew only where one was found', async () => {
    const refused = vi.spyOn(mfa.events, 'refused');
    await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toStrictEqual([{ factor: 'totp', failure: 'wrong_code' }]);
    expect(refused).not.toHaveBeenCalled();
  });

  it.each<[failure: string, code: () => string, prepare: () => void]>([
    ['malformed', () => 'x', () => undefined],
    ['already_spent', () => phone.code(), () => void vi.spyOn(mfa.store, 'spendAndSettle').mockResolvedValue(false)],
  ])('S65 a failure that costs no attempt is 20 events in an hour: %s', async (failure, code, prepare) => {
    prepare();
    for (let tries = 0; tries < 22; tries += 1) await expect(mfa.login('ann', code())).rejects.toMatchObject(REJECTED);
    expect(mfa.failures().map((each) => each.failure)).toEqual(Array(20).fill(failure));
  });

  it('S65 the skew is that of the nearest step of all authenticators', async () => {
    const { authenticator: tablet } = await mfa.enroll('ann');
    await expect(mfa.login('ann', tablet.code(-4))).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toEqual([{ factor: 'totp', failure: 'clock_skew', skewSteps: -4 }]);
  });

  it('S54 a success ends the run of failures', async () => {
    for (let tries = 0; tries < 4; tries += 1) await expect(mfa.login('ann', wrongCode())).rejects.toThrow();
    const { dailyTatMs } = mfa.budgetOf('ann', 'totp');
    await mfa.login('ann', phone.code());
    expect(mfa.budgetOf('ann', 'totp')).toEqual({ failures: 0, lockedUntilMs: 0, dailyTatMs });
  });

  it('S54 S57 the fifth failure locks, also for a right code, until the lock ends', async () => {
    for (let tries = 0; tries < 5; tries += 1)
      await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    mfa.clock.advance(30);
    const locked = { code: 'MFA_LOCKED', status: 429, details: { retryAfterSeconds: 870 } };
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject(locked);
    expect(mfa.failures().at(-1)).toEqual({ factor: 'totp', failure: 'locked' });
    mfa.clock.advance(870);
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S51 a new token refills nothing, and S53 a step-up counts with the logins', async () => {
    for (let tries = 0; tries < 3; tries += 1)
      await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    for (let tries = 0; tries < 2; tries += 1) {
      await expect(mfa.verification.stepUp('ann', { code: wrongCode() })).rejects.toMatchObject(REJECTED);
    }
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject({ code: 'MFA_LOCKED' });
  });

  it('S50 S58 100 guesses at once are evaluated five times, and no other budget is touched', async () => {
    const code = wrongCode();
    const all = await Promise.allSettled(Array.from({ length: 100 }, () => mfa.login('ann', code)));
    const codes = all.map((each) => (each.status === 'rejected' ? (each.reason as { code: string }).code : 'won'));
    expect(codes.filter((each) => each === 'MFA_CODE_REJECTED')).toHaveLength(5);
    expect(codes.filter((each) => each === 'MFA_LOCKED')).toHaveLength(95);
    for (const factor of ['backup_code', 'password', 'confirmation'] as const) {
      expect(mfa.budgetOf('ann', factor)).toEqual(NOT_COUNTED);
    }
  });

  it.each(['12345', '1234567', 'ABCDEFG', 'hello', '-'])('a code of no factor, as %j, costs none', async (code) => {
    await expect(mfa.login('ann', code)).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'totp')).toEqual(NOT_COUNTED);
    expect(mfa.budgetOf('ann', 'backup_code')).toEqual(NOT_COUNTED);
    expect(mfa.failures()).toEqual([{ factor: undefined, failure: 'malformed' }]);
  });

  it.each([undefined, null, 7, {}, ['123456'], '', '1'.repeat(65), '123456\0'])(
    'S24 a value that is not a code, as %j, is refused with 400',
    async (code) => {
      const details = { message: ['code must be a string of 1 to 64 characters'] };
      await expect(mfa.login('ann', code as never)).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST', details });
      expect(mfa.failures()).toEqual([]);
    },
  );

  it('S24 a code may have 64 characters before it is normalised', async () => {
    await expect(mfa.login('ann', phone.code().padEnd(64))).resolves.toMatchObject({ userId: 'ann' });
  });
});

describe('the factor of a proof', () => {
  it('S104 is the first that recognises it and serves the purpose, or none', () => {
    const factorOf = (given: object, purpose: ProofPurpose) =>
      mfa.verifier.factorOf(readProof(given), purpose)?.method ?? null;
    expect(factorOf({ code: '123456' }, 'change')).toBe('totp');
    expect(factorOf({ code: '123456', method: 'backup_code' }, 'change')).toBeNull();
    expect(factorOf({ code: 'hello' }, 'verify')).toBeNull();
    const recovery = { code: 'ABCD-EFGH-2345-6789', method: 'recovery_code' };
    expect(factorOf(recovery, 'verify')).toBe('recovery_code');
    expect(factorOf(recovery, 'step-up')).toBeNull();
    expect(mfa.verifier.factorOf(readProof({ code: 'hello' }), 'verify')).toBeNull();
  });
});

describe('a claim that does not hold', () => {
  const codes = ['right', 'malformed'] as const;
  const codeOf = (kind: (typeof codes)[number]) => (kind === 'right' ? phone.code() : 'hello');

  it.each(codes)('S43 is told so where the token is revoked, also with a %s code', async (kind) => {
    const challenge = await mfa.firstFactor('ann');
    await mfa.accounts.invalidate('ann');
    const refusal = { code: 'MFA_TOKEN_INVALID', status: 401 };
    await expect(mfa.verification.verify(challenge, { code: codeOf(kind) })).rejects.toMatchObject(refusal);
    expect(mfa.failures()).toEqual([]);
    expect(mfa.budgetOf('ann', 'totp')).toEqual(NOT_COUNTED);
  });

  it.each(codes)('S44 is told so where the token is spent, also with a %s code', async (kind) => {
    const challenge = await mfa.firstFactor('ann');
    await mfa.verification.verify(challenge, { code: phone.code(-1) });
    await expect(mfa.verification.verify(challenge, { code: codeOf(kind) })).rejects.toMatchObject({
      code: 'MFA_TOKEN_INVALID',
    });
  });

  it.each(codes)('is told that nothing is enabled, in a step-up with a %s code', async (kind) => {
    await expect(mfa.verification.stepUp('bob', { code: codeOf(kind) })).rejects.toMatchObject({
      code: 'MFA_NOT_ENABLED',
    });
    expect(mfa.failures()).toEqual([]);
  });

  it.each(codes)('S43 is a lost race where the account was read before, with a %s code', async (kind) => {
    const claim = { userId: 'ann', securityStamp: mfa.state.accounts.get('ann')!.securityStamp };
    const asked = { ...claim, purpose: 'change', binding: null } as const;
    await mfa.accounts.invalidate('ann');
    await expect(mfa.verifier.verify(asked, readProof({ code: codeOf(kind) }))).rejects.toMatchObject({
      code: 'MFA_CODE_REJECTED',
    });
    expect(mfa.failures()).toEqual([{ factor: kind === 'right' ? 'totp' : undefined, failure: 'state_changed' }]);
    expect(mfa.state.usage.size).toBe(0);
  });

  it('costs no attempt in a step-up with a malformed code', async () => {
    await expect(mfa.verification.stepUp('ann', { code: 'hello' })).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toEqual([{ factor: undefined, failure: 'malformed' }]);
  });
});

describe('S29 S45 a store that answers something else than it should', () => {
  it.each([undefined, null, {}, { snapshot: null, reserved: true }])(
    'opens nothing by beginning with %j',
    async (begun) => {
      vi.spyOn(mfa.store, 'reserveAttempt').mockResolvedValue(begun as never);
      await expect(mfa.login('ann', phone.code())).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
      expect(mfa.state.usage.size).toBe(0);
    },
  );

  it('opens nothing by a reservation that is only something like `true`', async () => {
    const { snapshot } = await mfa.store.reserveAttempt({
      userId: 'ann',
      budget: 'totp',
      rows: 'authenticators',
      policy: mfa.options.attempts,
      nowMs: mfa.clock.nowMs(),
    });
    vi.spyOn(mfa.store, 'reserveAttempt').mockResolvedValue({ snapshot, reserved: 1 as never });
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject(REJECTED);
    expect(mfa.state.usage.size).toBe(0);
  });

  it.each([undefined, 1, 'true', {}])('opens nothing by completing with %j', async (answer) => {
    vi.spyOn(mfa.store, 'spendAndSettle').mockResolvedValue(answer as never);
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toEqual([{ factor: 'totp', failure: 'already_spent' }]);
  });
});

describe('a proof of a method that may not pass', () => {
  const claim = () => ({ userId: 'ann', purpose: 'step-up', binding: null }) as const;
  const verify = (accepts: ProofRequest['accepts'], code = phone.code()) =>
    mfa.verifier.verify({ ...claim(), accepts }, readProof({ code }));

  it('S102 is refused before it is matched, spends nothing, and its attempt is released', async () => {
    const accepts = vi.fn<NonNullable<ProofRequest['accepts']>>(() => false);
    for (const code of [phone.code(), wrongCode()])
      await expect(verify(accepts, code)).rejects.toMatchObject(NOT_PASSED);
    expect(accepts).toHaveBeenLastCalledWith('totp', mfa.state.accounts.get('ann'));
    expect(mfa.failures()).toEqual(Array(2).fill({ factor: 'totp', failure: 'method_not_allowed' }));
    expect(mfa.budgetOf('ann', 'totp')).toMatchObject({ failures: 0, lockedUntilMs: 0 });
    expect(mfa.state.usage.size).toBe(0);
    await expect(verify(() => true)).resolves.toMatchObject({ proved: { factor: 'totp' } });
  });

  it('S57 is refused, and releases no attempt, while its factor is locked', async () => {
    for (let tries = 0; tries < 5; tries += 1) await mfa.login('ann', wrongCode()).catch(() => undefined);
    const locked = mfa.budgetOf('ann', 'totp');
    await expect(verify(() => false)).rejects.toMatchObject(NOT_PASSED);
    expect(mfa.budgetOf('ann', 'totp')).toEqual(locked);
    expect(mfa.failures().at(-1)).toEqual({ factor: 'totp', failure: 'method_not_allowed' });
    await expect(verify(() => true)).rejects.toMatchObject({ code: 'MFA_LOCKED' });
  });
});

describe('a proof that is matched', () => {
  const claim = () => ({ userId: 'ann', purpose: 'step-up', binding: null }) as const;

  it('S58 costs nothing where what must be prepared for it is busy, and is not prepared where it is wrong', async () => {
    const busy = new MfaError('MFA_BUSY');
    const prepare = vi.fn<Preparation>().mockRejectedValueOnce(busy);
    const verify = (code: string) => mfa.verifier.verify(claim(), readProof({ code }), prepare);
    await expect(verify(wrongCode())).rejects.toMatchObject(NOT_PASSED);
    expect(prepare).not.toHaveBeenCalled();
    const before = mfa.budgetOf('ann', 'totp');
    await expect(verify(phone.code())).rejects.toBe(busy);
    expect(mfa.budgetOf('ann', 'totp').failures).toBe(before.failures);
    expect(mfa.failures().at(-1)).toEqual({ factor: 'totp', failure: 'busy' });
    expect(mfa.state.usage.size).toBe(0);
    await expect(verify(phone.code())).resolves.toBeDefined();
    expect(prepare.mock.lastCall).toEqual([expect.objectContaining({ kind: 'totp' })]);
  });

  it('S45 counts as wrong where an error of another kind leaves open whether it was evaluated', async () => {
    const failures = mfa.failures();
    for (const error of [new Error('down'), new MfaError('MFA_LOCKED')]) {
      const prepare = () => Promise.reject(error);
      await expect(mfa.verifier.verify(claim(), readProof({ code: phone.code() }), prepare)).rejects.toBe(error);
    }
    expect(mfa.budgetOf('ann', 'totp').failures).toBe(2);
    expect(mfa.failures()).toEqual(failures);
  });

  it('returns how many backup codes remain, one fewer after a backup code alone', async () => {
    await mfa.giveBackupCodes('ann', ['AAAA-AAAA', 'BBBB-BBBB']);
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ backupCodesRemaining: 2 });
    await expect(mfa.login('ann', 'AAAA-AAAA')).resolves.toMatchObject({ backupCodesRemaining: 1 });
    await expect(mfa.login('ann', phone.code(1))).resolves.toMatchObject({ backupCodesRemaining: 1 });
  });

  it('may leave no row of the module to write, as those of the application do', async () => {
    const entry = { kind: 'card', item: 'x', expiresAtMs: null };
    vi.spyOn(mfa.factors[0]!, 'evaluate').mockResolvedValue({ match: { entry, use: null, amr: ['mfa'], sealed: [] } });
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ backupCodesRemaining: 0 });
  });

  it('S104 ends a recovery code, and writes for that only where there is one', async () => {
    const settle = vi.spyOn(mfa.store, 'spendAndSettle');
    await mfa.login('ann', phone.code());
    expect(settle.mock.lastCall![0].endsRecovery).toBe(false);
    const { account } = (await mfa.accounts.load('ann'))!;
    const recovery = { hash: 'hash', expiresAtMs: 0 };
    await mfa.accounts.commit('ann', account.rowVersion, { recovery });
    await mfa.login('ann', phone.code(1));
    expect(settle.mock.lastCall![0].endsRecovery).toBe(true);
    expect(mfa.state.accounts.get('ann')!.recovery).toBeNull();
  });
});

describe('the security stamp of a step-up', () => {
  it('S43 is that under which the factor was proved, and none of a step-up that nothing proved', async () => {
    const { securityStamp } = mfa.state.accounts.get('ann')!;
    const { proved, account } = await mfa.verifier.verify(
      { userId: 'ann', purpose: 'step-up', binding: null },
      readProof({ code: phone.code() }),
    );
    expect([provedStamp(proved), account.securityStamp]).toEqual([securityStamp, securityStamp]);
    expect(provedStamp({ ...proved })).toBeNaN();
  });
});
