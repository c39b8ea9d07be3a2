import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment, newPasskey } from '../../../../../test/support/in-memory-enrollment.js';
import type { Proof, ProofPurpose } from '../../domain/verification/proof.js';
import { sessionBinding } from '../../host/session-binding.js';
import { activePasskeys, credentialHash, PasskeyFactor } from './passkey.factor.js';

const MINUTE = 60_000;
let mfa: ReturnType<typeof inMemoryEnrollment>;
let factor: PasskeyFactor;
beforeEach(() => {
  mfa = inMemoryEnrollment();
  factor = mfa.passkeyFactor;
});

const snapshotOf = async (userId = 'ann') => (await mfa.accounts.loadWith('passkeys', userId))!;
const bound = (purpose: ProofPurpose = 'step-up', session = 'session of ann') => ({
  ...{ purpose, binding: sessionBinding({ sessionId: session, authenticatedAt: undefined }) },
});
const proofOf = (passkey: unknown): Proof => ({ kind: 'passkey', passkey, method: undefined });
const code: Proof = { kind: 'code', code: '123456', typed: '123456', method: 'passkey' };

async function optionsOf(userId = 'ann', binding = bound()) {
  const expiresAtMs = mfa.clock.nowMs() + MINUTE;
  return factor.prepare(await snapshotOf(userId), { binding, expiresAtMs, context: undefined });
}
const evaluate = async (proof: Proof, binding = bound(), snapshot = snapshotOf()) =>
  factor.evaluate(proof, { snapshot: await snapshot, binding, nowMs: mfa.clock.nowMs() });
const withoutOption = () =>
  new PasskeyFactor(mfa.passkeys, mfa.usage, mfa.webAuthn, mfa.random, mfa.clock, { ...mfa.options, passkeys: null });
const refused = { match: null };

describe('the factor of passkeys', () => {
  it('S84 protects changes by default, and without the option, where it verifies nothing', () => {
    expect(factor).toMatchObject({ method: 'passkey', budget: null, rows: 'passkeys' });
    expect(factor).toMatchObject({ enabled: true, protectsChanges: true });
    expect(withoutOption()).toMatchObject({ enabled: false, protectsChanges: true });
    const passkeys = { ...mfa.options.passkeys!, protectChanges: false };
    const { usage, webAuthn, random, clock } = mfa;
    const weaker = new PasskeyFactor(mfa.passkeys, usage, webAuthn, random, clock, { ...mfa.options, passkeys });
    expect(weaker.protectsChanges).toBe(false);
  });

  it('S81 recognises a passkey by the hash of its id, where passkeys are on', async () => {
    const { key } = await mfa.register('ann');
    const response = key.get((await optionsOf()).options);
    expect(factor.recognises(proofOf(response))).toEqual({ credentialHash: credentialHash(response.id) });
    expect(factor.recognises(code)).toBeNull();
    expect(withoutOption().recognises(proofOf(response))).toBeNull();
    expect(() => factor.recognises(proofOf({}))).toThrow(expect.objectContaining({ code: 'MFA_BAD_REQUEST' }) as Error);
  });
});

describe('the hash of a credential id', () => {
  it('S81 is SHA-256 of its bytes, in hex, as the rows have it', () => {
    const bytes = Buffer.from([1, 2, 3]);
    expect(credentialHash('AQID')).toBe(createHash('sha256').update(bytes).digest('hex'));
  });
});

describe('the options of an assertion', () => {
  it('S80 are bound to the purpose, the account and the session, and to no state of a registration', async () => {
    await mfa.register('ann');
    const issue = vi.spyOn(mfa.webAuthn, 'issue');
    await optionsOf();
    const { securityStamp } = (await snapshotOf()).account;
    const claim = { ...bound(), userId: 'ann', securityStamp, rpId: 'acme.example', state: '' };
    expect(issue.mock.lastCall![0]).toEqual(claim);
  });

  it('end when they are asked to, and allow the passkeys of the account in its order', async () => {
    const { key } = await mfa.register('ann');
    const change = key.get((await optionsOf('ann', bound('change'))).options);
    const { id } = await mfa.register('ann', newPasskey(), { passkey: change });
    const { account } = await snapshotOf();
    await mfa.change('ann', { activeFactors: account.activeFactors.toReversed() });
    const { options, expiresAt } = await optionsOf();
    expect(expiresAt).toEqual(new Date(mfa.clock.nowMs() + MINUTE));
    expect(options.timeout).toBe(MINUTE);
    const names = options.allowCredentials!.map(({ id: credentialId }) => credentialId);
    expect(names).toHaveLength(2);
    expect(names[0]).toBe(mfa.state.passkeys.get(id)!.credentialId);
  });

  it('are not there where the account names a passkey whose row is gone', async () => {
    await mfa.register('ann');
    mfa.state.passkeys.clear();
    await expect(optionsOf()).rejects.toMatchObject({ code: 'MFA_AUTHENTICATOR_NOT_FOUND' });
  });
});

describe('a passkey response', () => {
  it.each([
    [false, 'hwk'],
    [true, 'swk'],
  ])('S87 matches once its challenge is spent; synced %s counts as %s', async (synced, kind) => {
    const { key, id } = await mfa.register('ann', newPasskey({ synced }));
    const { options } = await optionsOf();
    const { match } = await evaluate(proofOf(key.get(options)));
    const counter = synced ? { from: null, to: 0 } : { from: 1, to: 2 };
    expect(match).toMatchObject({
      use: { rows: 'passkeys', id, counter, backedUp: synced, userVerified: true },
      ...{ amr: [kind, 'user', 'mfa'], sealed: [] },
    });
    // S80: no instance accepts the challenge for as long as the row that spends it is kept.
    const expiresAtMs = mfa.clock.nowMs() + 11 * MINUTE;
    expect(match!.entry).toEqual({
      kind: 'webauthn',
      item: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      expiresAtMs,
    });
  });

  it('S80 is wrong for another purpose, session, user and time, and as a code', async () => {
    const { key } = await mfa.register('ann');
    const response = proofOf(key.get((await optionsOf()).options));
    await expect(evaluate(response, bound('change'))).resolves.toEqual(refused);
    await expect(evaluate(response, bound('step-up', 'another'))).resolves.toEqual(refused);
    await expect(evaluate(code)).resolves.toEqual(refused);
    await mfa.accounts.invalidate('ann');
    await expect(evaluate(response)).resolves.toEqual(refused);
    const newer = proofOf(key.get((await optionsOf()).options));
    mfa.clock.advance(60);
    await expect(evaluate(newer)).resolves.toEqual(refused);
  });

  it('S81 is wrong where the account does not name the passkey', async () => {
    const { key } = await mfa.register('ann');
    const response = proofOf(key.get((await optionsOf()).options));
    const { passkeys, ...snapshot } = await snapshotOf();
    const none = { ...snapshot, account: { ...snapshot.account, activeFactors: [] }, passkeys };
    await expect(evaluate(response, bound(), Promise.resolve(none))).resolves.toEqual(refused);
  });

  it('S81 is wrong with the user handle of another account, and of an account without one', async () => {
    const { key } = await mfa.register('ann');
    const { options } = await optionsOf();
    const foreign = proofOf(key.get(options, { userHandle: 'AAAA' }));
    await expect(evaluate(foreign)).resolves.toEqual(refused);
    const snapshot = await snapshotOf();
    const without = { ...snapshot, account: { ...snapshot.account, userHandle: null } };
    const silent = proofOf(key.get(options, { userHandle: null }));
    await expect(evaluate(silent, bound(), Promise.resolve(without))).resolves.not.toEqual(refused);
  });

  it('S83 suspects a clone where the counter did not grow, and not where the same response came again', async () => {
    const { key, id } = await mfa.register('ann');
    const { options } = await optionsOf();
    const response = proofOf(key.get(options, { counter: 1 }));
    const suspected = { match: null, failure: 'clone_suspected', credential: mfa.state.passkeys.get(id) };
    await expect(evaluate(response)).resolves.toEqual(suspected);
    const { match } = await evaluate(proofOf(key.get(options)));
    const spend = async (kind: string, item: string) => {
      const { securityStamp } = (await snapshotOf()).account;
      const entries = [{ kind, item, expiresAtMs: null }];
      await mfa.usage.spend({ userId: 'ann', securityStamp, entries, nowMs: 0 });
    };
    await spend('webauthn', 'another');
    await spend('totp', match!.entry.item);
    await expect(evaluate(response)).resolves.toEqual(suspected);
    await spend('webauthn', match!.entry.item);
    await expect(evaluate(response)).resolves.toEqual({ match: null, failure: 'already_spent' });
  });
});

describe('the rows of passkeys', () => {
  it('are described, renamed, given a grace, forgotten and purged, by name or all', async () => {
    const { key, id } = await mfa.register('ann');
    const change = key.get((await optionsOf('ann', bound('change'))).options);
    const { id: second } = await mfa.register('ann', newPasskey(), { passkey: change });
    const { id: foreign } = await mfa.register('ben');
    const expiry = (of: string) => mfa.state.passkeys.get(of)?.expiresAtMs;
    const graceMs = mfa.clock.nowMs() + 10 * MINUTE;
    const snapshot = await snapshotOf();
    expect((await factor.describe(snapshot)).map((each) => each.id)).toEqual([id, second]);
    await expect(factor.rename('ann', id, 'Key')).resolves.toBe(true);
    expect(mfa.state.passkeys.get(id)!.name).toBe('Key');
    await factor.startGrace(snapshot, [id]);
    expect([id, second, foreign].map(expiry)).toEqual([graceMs, null, null]);
    await factor.startGrace(snapshot);
    expect([id, second, foreign].map(expiry)).toEqual([graceMs, graceMs, null]);
    await factor.forget(snapshot, [id]);
    expect([id, second, foreign].map(expiry)).toEqual([undefined, graceMs, null]);
    await factor.forget(snapshot);
    expect([...mfa.state.passkeys.keys()]).toEqual([foreign]);
    await expect(factor.purge('ben')).resolves.toBe(1);
    expect(mfa.state.passkeys.size).toBe(0);
  });

  it('cost no statement where there are none', async () => {
    const { account } = await mfa.register('ann').then(() => snapshotOf());
    const spies = [vi.spyOn(mfa.passkeys, 'collectAfter'), vi.spyOn(mfa.passkeys, 'remove')];
    const none = { ...(await snapshotOf()), account: { ...account, activeFactors: [] } };
    await factor.startGrace(none);
    await factor.forget(none);
    await factor.forget(await snapshotOf(), []);
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });

  it('count in the order of the account, and only those that it names as passkeys', async () => {
    await mfa.register('ann');
    const snapshot = await snapshotOf();
    const row = (id: string) => ({ ...snapshot.passkeys[0]!, id });
    const activeFactors = [...['c', 'a'].map((id) => ({ type: 'passkey', id })), { type: 'totp', id: 'b' }];
    const account = { ...snapshot.account, activeFactors };
    expect(activePasskeys({ ...snapshot, account }, ['a', 'b', 'c', 'd'].map(row)).map(({ id }) => id)).toEqual([
      'c',
      'a',
    ]);
  });
});
