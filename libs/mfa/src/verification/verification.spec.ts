import { Logger } from '@nestjs/common';
import argon2 from 'argon2';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackupCodeHasher } from '../domain/backup-codes/backup-code-hash.js';
import { HashQueue } from '../domain/backup-codes/hash-queue.js';
import type { MfaHttpException } from '../errors/mfa-http.exception.js';
import type { VirtualAuthenticator } from '../testing/virtual-authenticator.js';
import { inMemoryVerification } from '../../../../test/support/in-memory-verification.js';

const CODES = ['ABCD-EFGH', 'JKLM-NPQR'];
const REJECTED = { code: 'MFA_CODE_REJECTED', status: 401 };
const NOT_COUNTED = { failures: 0, lockedUntilMs: 0, tatMs: 0 };

let mfa: ReturnType<typeof inMemoryVerification>;
let phone: VirtualAuthenticator;
let phoneId: string;

beforeEach(async () => {
  mfa = inMemoryVerification();
  ({ authenticator: phone, id: phoneId } = await mfa.enroll('ann'));
});
afterEach(() => vi.restoreAllMocks());

/** A code of six digits that is right at no step around now. */
const wrongCode = () => {
  const right = [-2, -1, 0, 1, 2].map((steps) => phone.code(steps));
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code))!;
};
const now = () => new Date(mfa.clock.nowMs());

describe('a login by TOTP', () => {
  it('answers who passed what, and when', async () => {
    await expect(mfa.login('ann', phone.code())).resolves.toEqual({
      userId: 'ann',
      amr: ['otp', 'mfa'],
      mfaAt: now(),
      factor: 'totp',
      backupCodesRemaining: 0,
    });
  });

  it('S65 is told of, and noted with the authenticator', async () => {
    await mfa.login('ann', phone.code());
    expect(mfa.told.slice(1)).toEqual([{ type: 'verification.succeeded', userId: 'ann', factor: 'totp', at: now() }]);
    expect(mfa.state.authenticators.get(phoneId)!.lastUsedAtMs).toBe(mfa.clock.nowMs());
  });

  it.each(['spaces', 'dashes', 'full width'])('S25 takes the code however it is written: with %s', async (how) => {
    const code = phone.code();
    const spellings: Record<string, string> = {
      spaces: ` ${code.slice(0, 3)} ${code.slice(3)} `,
      dashes: `${code.slice(0, 3)}-${code.slice(3)}`,
      'full width': code.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    };
    await expect(mfa.login('ann', spellings[how]!)).resolves.toMatchObject({ factor: 'totp' });
    await expect(mfa.login('ann', code)).rejects.toMatchObject(REJECTED);
  });

  it('S23 takes the codes of the window, and no other', async () => {
    for (const steps of [-2, 2]) await expect(mfa.login('ann', phone.code(steps))).rejects.toMatchObject(REJECTED);
    for (const steps of [-1, 0, 1]) await mfa.login('ann', phone.code(steps));
  });

  it('takes a code of any of the authenticators, evaluating all of them', async () => {
    const { authenticator: second, id } = await mfa.enroll('ann', { digits: 8, algorithm: 'SHA256' });
    await expect(mfa.login('ann', second.code())).resolves.toMatchObject({ userId: 'ann' });
    expect(mfa.state.authenticators.get(id)!.lastUsedAtMs).toBe(mfa.clock.nowMs());
    expect(mfa.state.authenticators.get(phoneId)!.lastUsedAtMs).toBeNull();
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S13 takes no code of an authenticator that the account does not name', async () => {
    const { account } = (await mfa.accounts.load('ann'))!;
    const { authenticator: dropped } = await mfa.enroll('ann');
    const { version } = (await mfa.accounts.load('ann'))!.account;
    await mfa.accounts.commit('ann', version, { activeIds: account.activeIds });
    await expect(mfa.login('ann', dropped.code())).rejects.toMatchObject(REJECTED);
  });

  it("S31 knows nobody else's code, though two users may have the same one", async () => {
    const bob = await mfa.enroll('bob', { secret: 'unreadable' });
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    await expect(mfa.login('bob', phone.code())).rejects.toMatchObject(REJECTED);
    await expect(mfa.login('bob', bob.authenticator.code())).rejects.toMatchObject(REJECTED);
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S3 takes a secret that cannot be opened for a wrong code, and tells the operator', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const row = mfa.state.authenticators.get(phoneId)!;
    mfa.state.authenticators.set(phoneId, { ...row, secret: `${row.secret}x` });
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject(REJECTED);
    expect(error).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(phoneId));
    expect(mfa.failures()).toEqual([{ factor: 'totp', reason: 'wrong_code' }]);
  });
});

describe('what was used', () => {
  it('S27 a code is good for nothing more, whatever the token, and at no later time', async () => {
    const code = phone.code(1);
    await mfa.login('ann', code);
    for (let passed = 0; passed <= 90; passed += 15) {
      await expect(mfa.login('ann', code)).rejects.toMatchObject(REJECTED);
      await expect(mfa.verification.stepUp('ann', code)).rejects.toMatchObject({ status: expect.any(Number) });
      await mfa.accounts.clearBudgets('ann');
      mfa.clock.advance(15);
    }
  });

  it('S27 S61 is remembered until no clock takes it any more, and a token longer than it lives', async () => {
    await mfa.login('ann', phone.code());
    const expiries = Object.fromEntries(
      [...mfa.state.usage.values()].map(({ kind, expiresAtMs }) => [kind, expiresAtMs]),
    );
    const step = Math.floor(mfa.clock.nowMs() / 30_000);
    expect(expiries).toEqual({
      totp: (step + 2) * 30_000 + 600_000,
      token: mfa.clock.nowMs() + 300_000 + 600_000,
    });
  });

  it('S34 a token completes one login, and no other code opens it again', async () => {
    const challenge = await mfa.firstFactor('ann');
    await mfa.verification.verify(challenge, phone.code());
    await expect(mfa.verification.verify(challenge, phone.code(1))).rejects.toMatchObject({ status: 401 });
    await expect(mfa.login('ann', phone.code(1))).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S34 a wrong code spends no token', async () => {
    const challenge = await mfa.firstFactor('ann');
    await expect(mfa.verification.verify(challenge, wrongCode())).rejects.toMatchObject(REJECTED);
    await expect(mfa.verification.verify(challenge, phone.code())).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S28 S34a of 20 submissions at once one wins, and the account is not locked after them', async () => {
    const code = phone.code();
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => mfa.login('ann', code)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(mfa.login('ann', phone.code(1))).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S34a a right code sent twice takes nothing of the attempts of the day, and stays a failure', async () => {
    const code = phone.code();
    await mfa.login('ann', code);
    const { tatMs } = mfa.budgetOf('ann', 'totp');
    await expect(mfa.login('ann', code)).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'totp')).toEqual({ failures: 1, lockedUntilMs: 0, tatMs });
    expect(mfa.failures()).toEqual([{ factor: 'totp', reason: 'already_spent' }]);
  });
});

describe('S43 a challenge from before', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['the tokens were revoked', () => mfa.accounts.revokeTokens('ann')],
    ['the account was removed', () => mfa.accounts.remove('ann')],
  ])('completes nothing once %s, and spends nothing', async (_, change) => {
    const challenge = await mfa.firstFactor('ann');
    await change();
    await expect(mfa.verification.verify(challenge, phone.code())).rejects.toMatchObject({ status: 401 });
    expect(mfa.state.usage.size).toBe(0);
  });
});

describe('attempts', () => {
  it('S50 a wrong code counts', async () => {
    await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'totp')).toMatchObject({ failures: 1, lockedUntilMs: 0 });
    expect(mfa.failures()).toEqual([{ factor: 'totp', reason: 'wrong_code' }]);
  });

  it('S66 one answer is for codes that are wrong, used, too old, or of no shape', async () => {
    await mfa.login('ann', phone.code());
    const answers = [wrongCode(), phone.code(), phone.code(-2), 'hello'].map(async (code) => {
      const refusal = (await mfa.login('ann', code).catch((error: unknown) => error)) as MfaHttpException;
      return { body: refusal.getResponse(), headers: refusal.headers };
    });
    expect(new Set((await Promise.all(answers)).map((answer) => JSON.stringify(answer))).size).toBe(1);
  });

  it('S54 a success ends the run of failures', async () => {
    for (let tries = 0; tries < 4; tries += 1) await expect(mfa.login('ann', wrongCode())).rejects.toThrow();
    const { tatMs } = mfa.budgetOf('ann', 'totp');
    await mfa.login('ann', phone.code());
    expect(mfa.budgetOf('ann', 'totp')).toEqual({ failures: 0, lockedUntilMs: 0, tatMs });
  });

  it('S54 S57 the fifth failure locks, also for a right code, until the lock ends', async () => {
    for (let tries = 0; tries < 5; tries += 1)
      await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    mfa.clock.advance(30);
    const locked = { code: 'MFA_LOCKED', status: 429, details: { retryAfterSeconds: 870 } };
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject(locked);
    expect(mfa.failures().at(-1)).toEqual({ factor: 'totp', reason: 'locked' });
    mfa.clock.advance(870);
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S51 a new token refills nothing, and S53 a step-up counts with the logins', async () => {
    for (let tries = 0; tries < 3; tries += 1)
      await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    for (let tries = 0; tries < 2; tries += 1) {
      await expect(mfa.verification.stepUp('ann', wrongCode())).rejects.toMatchObject(REJECTED);
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
    expect(mfa.failures()).toEqual([{ factor: undefined, reason: 'malformed' }]);
  });

  it.each([undefined, null, 7, {}, ['123456'], '', '1'.repeat(65), '123456\0'])(
    'S24 what is no code at all, as %j, is refused with 400',
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

describe('a backup code', () => {
  beforeEach(() => mfa.giveBackupCodes('ann', CODES));

  it('passes as a second factor of its own, once', async () => {
    await expect(mfa.login('ann', CODES[0]!)).resolves.toEqual({
      userId: 'ann',
      amr: ['mfa'],
      mfaAt: now(),
      factor: 'backup_code',
      backupCodesRemaining: 1,
    });
    await expect(mfa.login('ann', CODES[0]!)).rejects.toMatchObject(REJECTED);
    await expect(mfa.login('ann', CODES[1]!)).resolves.toMatchObject({ backupCodesRemaining: 0 });
    expect([...mfa.state.backupCodes.values()].map(({ usedAtMs }) => usedAtMs)).toEqual([+now(), +now()]);
  });

  it('S39 is not counted down by a TOTP', async () => {
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ backupCodesRemaining: 2 });
  });

  it('S38 is taken in any spelling, and S65 told of by its name', async () => {
    await mfa.login('ann', ' abcd efgh ');
    expect(mfa.told.at(-1)).toMatchObject({ type: 'verification.succeeded', factor: 'backup_code' });
  });

  it('S32 is accepted once of 20 uses at once', async () => {
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => mfa.login('ann', CODES[0]!)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it("S38 S2 is nobody else's, even when its row is copied over", async () => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    await mfa.enroll('bob');
    await mfa.giveBackupCodes('bob', ['STUV-WXYZ']);
    await expect(mfa.login('bob', CODES[0]!)).rejects.toMatchObject(REJECTED);
    const [annsRow] = mfa.state.backupCodes.values();
    const [id, bobsRow] = [...mfa.state.backupCodes].at(-1)!;
    mfa.state.backupCodes.set(id, { ...bobsRow, hash: annsRow!.hash });
    await expect(mfa.login('bob', CODES[0]!)).rejects.toMatchObject(REJECTED);
  });

  it('S33 dies with its set, even while it is being used', async () => {
    const challenge = await mfa.firstFactor('ann');
    const match = mfa.hasher.match.bind(mfa.hasher);
    vi.spyOn(mfa.hasher, 'match').mockImplementation(async (...given) => {
      const id = await match(...given);
      await mfa.giveBackupCodes('ann', ['STUV-WXYZ']);
      return id;
    });
    await expect(mfa.verification.verify(challenge, CODES[0]!)).rejects.toMatchObject(REJECTED);
    expect(mfa.state.usage.size).toBe(0);
  });

  it.each<[string, () => Promise<void> | void]>([
    ['right or wrong', () => undefined],
    ['with one code left', () => mfa.giveBackupCodes('ann', [CODES[0]!])],
    ['with no set at all', async () => dropSet()],
  ])('S37 costs one Argon2, %s', async (_, prepare) => {
    await prepare();
    for (const code of [CODES[0]!, 'ZZZZ-ZZZZ']) {
      const hash = vi.spyOn(argon2, 'hash');
      await mfa.login('ann', code).catch(() => undefined);
      expect(hash).toHaveBeenCalledTimes(1);
      hash.mockRestore();
    }
  });

  async function dropSet(): Promise<void> {
    const { version } = (await mfa.accounts.load('ann'))!.account;
    await mfa.accounts.commit('ann', version, { backupSetId: null });
  }

  it('is refused where the account names no set', async () => {
    await dropSet();
    await expect(mfa.login('ann', CODES[0]!)).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toEqual([{ factor: 'backup_code', reason: 'wrong_code' }]);
  });

  it('S56 has a budget of its own', async () => {
    for (let tries = 0; tries < 6; tries += 1) await mfa.login('ann', wrongCode()).catch(() => undefined);
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject({ code: 'MFA_LOCKED' });
    await expect(mfa.login('ann', CODES[0]!)).resolves.toMatchObject({ factor: 'backup_code' });
  });

  it('S57 computes no Argon2 while it is locked', async () => {
    const attempts = { maxFailures: 1 };
    mfa = inMemoryVerification({ attempts });
    await mfa.enroll('ann');
    await mfa.giveBackupCodes('ann', CODES);
    await expect(mfa.login('ann', 'ZZZZ-ZZZZ')).rejects.toMatchObject(REJECTED);
    const hash = vi.spyOn(argon2, 'hash');
    await expect(mfa.login('ann', CODES[0]!)).rejects.toMatchObject({ code: 'MFA_LOCKED' });
    expect(hash).not.toHaveBeenCalled();
  });

  /** Turns everything away. */
  const busyHasher = () => {
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 0 });
    void queue.run(() => new Promise(() => undefined));
    return new BackupCodeHasher(queue, mfa.random);
  };

  it('S58 costs no attempt when hashing is too busy to look at it', async () => {
    vi.spyOn(mfa.hasher, 'match').mockImplementation(() => busyHasher().match('', []));
    await expect(mfa.login('ann', CODES[0]!)).rejects.toMatchObject({ code: 'MFA_BUSY', status: 503 });
    expect(mfa.budgetOf('ann', 'backup_code')).toMatchObject({ failures: 0, lockedUntilMs: 0 });
    expect(mfa.failures()).toEqual([{ factor: 'backup_code', reason: 'busy' }]);
    vi.restoreAllMocks();
    await expect(mfa.login('ann', CODES[0]!)).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S45 counts, and is refused, when matching fails in any other way', async () => {
    const failure = new Error('out of memory');
    vi.spyOn(mfa.hasher, 'match').mockRejectedValue(failure);
    await expect(mfa.login('ann', CODES[0]!)).rejects.toBe(failure);
    expect(mfa.budgetOf('ann', 'backup_code')).toMatchObject({ failures: 1 });
    expect(mfa.state.usage.size).toBe(0);
  });
});

describe('a step-up', () => {
  it('proves the second factor without a token', async () => {
    await expect(mfa.verification.stepUp('ann', phone.code())).resolves.toMatchObject({
      userId: 'ann',
      amr: ['otp', 'mfa'],
      mfaAt: now(),
      factor: 'totp',
    });
    expect([...mfa.state.usage.values()].map(({ kind }) => kind)).toEqual(['totp']);
  });

  it('takes a numeric id for its digits', async () => {
    const { authenticator } = await mfa.enroll('42');
    await expect(mfa.verification.stepUp(42, authenticator.code())).resolves.toMatchObject({ userId: '42' });
  });

  it.each(['bob', '', ' ann', null, Number.NaN])('is refused where %j has no second factor', async (userId) => {
    await expect(mfa.verification.stepUp(userId as never, phone.code())).rejects.toMatchObject({
      code: 'MFA_NOT_ENABLED',
      status: 409,
    });
  });
});
