import { Logger } from '@nestjs/common';
import argon2 from 'argon2';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification, wrongCodeOf } from '../../../../../test/support/in-memory-verification.js';
import { BackupCodeHasher } from '../../domain/backup-codes/backup-code-hash.js';
import { HashQueue } from '../../domain/backup-codes/hash-queue.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { VirtualAuthenticator } from '../../testing/virtual-authenticator.js';

const CODES = ['ABCD-EFGH', 'JKLM-NPQR'];
const REJECTED = { code: 'MFA_CODE_REJECTED', status: 401 };

let mfa: ReturnType<typeof inMemoryVerification>;
let phone: VirtualAuthenticator;

beforeEach(async () => {
  mfa = inMemoryVerification();
  ({ authenticator: phone } = await mfa.enroll('ann'));
});
afterEach(() => vi.restoreAllMocks());

const wrongCode = () => wrongCodeOf(phone);
const now = () => new Date(mfa.clock.nowMs());

describe('a backup code', () => {
  beforeEach(() => mfa.giveBackupCodes('ann', CODES));

  it('passes as a second factor of its own, once', async () => {
    await expect(mfa.login('ann', CODES[0]!)).resolves.toEqual({
      userId: 'ann',
      amr: ['mfa'],
      mfaAt: now(),
      factor: 'backup_code',
      backupCodesRemaining: 1,
      enrollmentDueAt: null,
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
    expect(mfa.told.at(-1)).toMatchObject({ type: 'mfa.verification.succeeded', factor: 'backup_code' });
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
    await expect(mfa.verification.verify(challenge, { code: CODES[0]! })).rejects.toMatchObject(REJECTED);
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
    const { rowVersion } = (await mfa.accounts.load('ann'))!.account;
    await mfa.accounts.commit('ann', rowVersion, { backupSetId: null });
  }

  it('is refused where the account names no set', async () => {
    await dropSet();
    await expect(mfa.login('ann', CODES[0]!)).rejects.toMatchObject(REJECTED);
    expect(mfa.failures()).toEqual([{ factor: 'backup_code', failure: 'wrong_code' }]);
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
    vi.spyOn(mfa.hasher, 'match').mockImplementation(() => busyHasher().match('', [], null));
    await expect(mfa.login('ann', CODES[0]!)).rejects.toMatchObject({ code: 'MFA_BUSY', status: 503 });
    expect(mfa.budgetOf('ann', 'backup_code')).toMatchObject({ failures: 0, lockedUntilMs: 0 });
    expect(mfa.failures()).toEqual([{ factor: 'backup_code', failure: 'busy' }]);
    vi.restoreAllMocks();
    await expect(mfa.login('ann', CODES[0]!)).resolves.toMatchObject({ userId: 'ann' });
  });

  it.each([
    ['of the machine', new Error('out of memory')],
    ['of our own', new MfaError('MFA_SECRET_UNREADABLE')],
  ])('S45 counts, and is refused, when matching fails by an error %s', async (_, failure) => {
    vi.spyOn(mfa.hasher, 'match').mockRejectedValue(failure);
    await expect(mfa.login('ann', CODES[0]!)).rejects.toSatisfy((error: Error) =>
      [error, error.cause].includes(failure),
    );
    expect(mfa.budgetOf('ann', 'backup_code')).toMatchObject({ failures: 1 });
    expect(mfa.state.usage.size).toBe(0);
  });
});
