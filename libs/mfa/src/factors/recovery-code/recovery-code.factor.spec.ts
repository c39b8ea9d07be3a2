import { beforeEach, describe, expect, it } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../../test/support/in-memory-mfa.js';
import { enrollmentMethodsOf } from '../../domain/factors/factor.js';
import { recoveryHash } from '../../domain/recovery/recovery-code.js';
import type { Proof } from '../../domain/verification/proof.js';
import { RecoveryCodeFactor } from './recovery-code.factor.js';

const CODE = 'ABCDEFGH23456789';
const PROOF: Proof = { kind: 'code', code: CODE, typed: 'abcd-efgh-2345-6789', method: 'recovery_code' };
const PASSKEY: Proof = { kind: 'passkey', passkey: {}, method: 'recovery_code' };

let mfa: InMemoryMfa;
let factor: RecoveryCodeFactor;
let hash: string;
let expiresAtMs: number;
beforeEach(async () => {
  mfa = inMemoryMfa();
  factor = new RecoveryCodeFactor(mfa.usage, mfa.events, mfa.options);
  hash = recoveryHash('ann', CODE, mfa.options.keyRing.newest);
  expiresAtMs = mfa.clock.nowMs() + 1000;
  await mfa.accounts.open('ann', mfa.clock.nowMs());
  const { rowVersion } = (await mfa.accounts.load('ann'))!.account;
  await mfa.accounts.commit('ann', rowVersion, { recovery: { hash, expiresAtMs } });
});

const snapshot = async () => (await mfa.accounts.loadWith('none', 'ann'))!;
const evaluate = async (proof: Proof) =>
  factor.evaluate(proof, {
    snapshot: await snapshot(),
    binding: { purpose: 'verify', binding: null },
    nowMs: mfa.clock.nowMs(),
  });

describe('RecoveryCodeFactor', () => {
  it('S104 passes the second step of a login only, with its own counter of failed attempts', () => {
    expect(factor.purposes).toEqual(['verify']);
    expect(factor.budget).toBe('recovery_code');
  });

  it('S104 is in no list of methods, also where the user has a live code', async () => {
    expect(factor.isAvailable()).toBe(false);
    expect(enrollmentMethodsOf([factor], { policy: null })).toEqual([]);
    await expect(factor.describe()).resolves.toEqual([]);
  });

  it('S104 recognises a code of its format only where the request names the method', () => {
    expect(factor.recognises(PROOF)).toEqual({});
    for (const method of [undefined, 'totp', 'backup_code']) expect(factor.recognises({ ...PROOF, method })).toBeNull();
    expect(factor.recognises({ ...PROOF, code: '123456' })).toBeNull();
    expect(factor.recognises(PASSKEY)).toBeNull();
  });

  it('S104 matches the live code with the usage row and the hash that spend it, and adds nothing to amr', async () => {
    await expect(evaluate(PROOF)).resolves.toEqual({
      match: {
        entry: { kind: 'recovery_code', item: hash, expiresAtMs: expiresAtMs + 600_000 },
        recoveryHash: hash,
        use: null,
        amr: [],
        sealed: [],
        noteUse: expect.any(Function) as unknown,
      },
    });
  });

  it('S104 does not match another code, another kind of proof, or an expired code', async () => {
    await expect(evaluate({ ...PROOF, code: 'BBCDEFGH23456789' })).resolves.toEqual({ match: null });
    await expect(evaluate(PASSKEY)).resolves.toEqual({ match: null });
    mfa.clock.advance(1);
    await expect(evaluate(PROOF)).resolves.toEqual({ match: null });
  });

  it('S70 names a code of the user that was spent', async () => {
    const { match } = await evaluate(PROOF);
    const { securityStamp } = (await snapshot()).account;
    const spending = { userId: 'ann', securityStamp, entries: [match!.entry], nowMs: mfa.clock.nowMs() };
    await expect(mfa.usage.spend(spending)).resolves.toBe(true);
    const { rowVersion } = (await mfa.accounts.load('ann'))!.account;
    await mfa.accounts.commit('ann', rowVersion, { recovery: null });
    await expect(evaluate(PROOF)).resolves.toEqual({ match: null, failure: 'already_spent' });
    await expect(evaluate({ ...PROOF, code: 'BBCDEFGH23456789' })).resolves.toEqual({ match: null });
  });

  it('S104 notifies the owner of the use after the code was spent', async () => {
    const { match } = await evaluate(PROOF);
    await Promise.resolve();
    expect(mfa.told).toEqual([]);
    await match!.noteUse!(mfa.clock.nowMs());
    await Promise.resolve();
    expect(mfa.told).toMatchObject([{ type: 'mfa.recovery_code.used', userId: 'ann' }]);
  });

  it('has no rows to read, rename or delete', async () => {
    expect(factor.rows).toBe('none');
    await expect(factor.rename()).resolves.toBe(false);
    await expect(factor.purge()).resolves.toBe(0);
  });
});
