import type { MfaConfirmation } from '../../enrollment/enrollment-results.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment, newPasskey } from '../../../../../test/support/in-memory-enrollment.js';
import { MfaError } from '../../domain/mfa-error.js';
import { sessionBinding } from '../../host/session-binding.js';
import type { Passkey } from '../../domain/passkeys/passkey.js';
import { provedStamp } from '../../verification/proof-verifier.js';
import { credentialHash } from './passkey.factor.js';
import { registerState } from './webauthn-challenge.js';

const MINUTE = 60_000;
const GRACE = 10 * MINUTE;
const REJECTED = { code: 'MFA_CODE_REJECTED' };

let mfa: ReturnType<typeof inMemoryEnrollment>;
beforeEach(() => (mfa = inMemoryEnrollment()));
afterEach(() => vi.restoreAllMocks());

const ann = () => mfa.of('ann');
const rows = () => [...mfa.state.passkeys.values()];
const accountOf = async (userId = 'ann') => (await mfa.accounts.load(userId))!.account;
const failures = async () => {
  await mfa.toldTypes();
  return mfa.failures();
};

async function created(key = newPasskey(), userId = 'ann') {
  const { options } = await mfa.enrollment.setup(mfa.of(userId), {});
  return { options, passkey: key.create(options) };
}

describe('the setup of a passkey', () => {
  it('returns options for this user that end in 5 minutes, and tells the host', async () => {
    const owner = { ...ann(), accountName: async () => 'ann@acme.example' };
    const { options, expiresAt } = await mfa.enrollment.setup(owner, {});
    expect(expiresAt).toEqual(new Date(mfa.clock.nowMs() + 5 * MINUTE));
    expect(options).toMatchObject({
      timeout: 5 * MINUTE,
      user: { name: 'ann@acme.example' },
      rp: { id: 'acme.example' },
      excludeCredentials: [],
    });
    await mfa.toldTypes();
    expect(mfa.told).toMatchObject([{ type: 'mfa.setup.started', userId: 'ann', method: 'passkey' }]);
    expect(rows()).toEqual([]);
  });

  it('S84 is bound to the purpose, the account, the session, the factors and the backup codes', async () => {
    const issue = vi.spyOn(mfa.webAuthn, 'issue');
    await mfa.enrollment.setup(ann(), {});
    const account = await accountOf();
    const binding = sessionBinding({ sessionId: ann().sessionId, authenticatedAt: undefined });
    const claim = { purpose: 'register', userId: 'ann', securityStamp: account.securityStamp, binding };
    expect(issue.mock.lastCall![0]).toEqual({ ...claim, rpId: 'acme.example', state: registerState(account) });
  });

  it('S81 gives the account one random user handle of 64 bytes, for good', async () => {
    const first = await mfa.enrollment.setup(ann(), {});
    expect(Buffer.from(first.options.user.id, 'base64url')).toHaveLength(64);
    expect((await accountOf()).userHandle).toBe(first.options.user.id);
    const claim = vi.spyOn(mfa.accounts, 'claimUserHandle');
    const second = await mfa.enrollment.setup(ann(), {});
    expect(second.options.user.id).toBe(first.options.user.id);
    expect(claim).not.toHaveBeenCalled();
    const other = await mfa.enrollment.setup(mfa.of('ben'), {});
    expect(other.options.user.id).not.toBe(first.options.user.id);
  });

  it('excludes the passkeys that the account names, and no other row', async () => {
    const { key } = await mfa.register('ann');
    mfa.state.passkeys.set('p-9', { ...rows()[0]!, id: 'p-9', credentialId: 'AAAA', credentialHash: 'x' });
    const passkey = await proofOf(key);
    const { options } = await mfa.enrollment.setup(ann(), { passkey });
    expect(options.excludeCredentials!.map(({ id }) => id)).toEqual([rows()[0]!.credentialId]);
  });

  it('S84 needs a proof, and counts the passkeys before it takes one', async () => {
    const { key } = await mfa.register('ann');
    await expect(mfa.enrollment.setup(ann(), {})).rejects.toMatchObject({ code: 'MFA_PROOF_REQUIRED' });
    mfa.options.passkeys!.max = 2;
    await expect(mfa.enrollment.setup(ann(), { passkey: await proofOf(key) })).resolves.toBeDefined();
    mfa.options.passkeys!.max = 1;
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    await expect(mfa.enrollment.setup(ann(), {})).rejects.toMatchObject({ code: 'MFA_TOO_MANY_AUTHENTICATORS' });
    expect(forSetup).not.toHaveBeenCalled();
  });

  it('S67 is refused for an unusable principal', async () => {
    const nobody = { ...ann(), userId: '' };
    await expect(mfa.enrollment.setup(nobody, {})).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });

  it('passes the request to the check of the proof and to the event', async () => {
    const context = { request: 1 } as never;
    mfa.host.requestInfo = (given) => (given === context ? { ip: '192.0.2.1' } : {});
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    await mfa.enrollment.setup(ann(), { password: 'x' }, context);
    expect(forSetup.mock.lastCall![2]).toEqual({ password: 'x', context });
    await mfa.toldTypes();
    expect(mfa.told).toMatchObject([{ type: 'mfa.setup.started', ip: '192.0.2.1' }]);
  });
});

/** A proof of a change by this passkey. */
async function proofOf(key: ReturnType<typeof newPasskey>, userId = 'ann') {
  const { preparation } = mfa;
  const prepared = await preparation.prepare(mfa.of(userId), { method: 'passkey', purpose: 'change' });
  return key.get((prepared as { options: Parameters<typeof key.get>[0] }).options);
}

describe('the confirmation of a passkey', () => {
  it('stores the key, names it in the account, and gives backup codes for a first factor', async () => {
    const key = newPasskey({ synced: true });
    const { options, passkey } = await created(key);
    const owner = { ...ann(), amr: ['pwd', 'mfa', 'otp'] };
    const confirmed = await mfa.enrollment.confirm(owner, { passkey, name: ' Laptop ' });
    const nowMs = mfa.clock.nowMs();
    const [row] = rows();
    expect(row).toEqual({
      ...{ id: row!.id, userId: 'ann', name: 'Laptop', credentialId: passkey.id },
      ...{ credentialHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string, counter: 0 },
      publicKey: expect.stringMatching(/^[\w-]{90,}$/) as string,
      ...{ transports: ['internal', 'hybrid'], aaguid: '00000000-0000-0000-0000-000000000000' },
      ...{ backupEligible: true, backedUp: true, userVerified: true },
      ...{ createdAtMs: nowMs, lastUsedAtMs: null, expiresAtMs: null },
    });
    const account = await accountOf();
    expect(account.activeFactors).toEqual([{ type: 'passkey', id: row!.id }]);
    expect(confirmed).toEqual({
      enabled: true,
      backupCodes: expect.objectContaining({ length: 4 }) as string[],
      stepUp: {
        ...{ userId: 'ann', amr: ['pwd', 'mfa'], mfaAt: new Date(nowMs), factor: 'passkey' },
        backupCodesRemaining: 4,
      },
    });
    expect(provedStamp((confirmed as MfaConfirmation).stepUp)).toBe(account.securityStamp);
    // The key signs in.
    expect(options.challenge).not.toBe('');
    await expect(proofOf(key)).resolves.toBeDefined();
  });

  it('gives no codes where there is a set, and has a name of its own', async () => {
    const { key } = await mfa.register('ann');
    const second = await mfa.register('ann', newPasskey(), { passkey: await proofOf(key) });
    expect(second.confirmed).not.toHaveProperty('backupCodes');
    expect(second.confirmed.stepUp.backupCodesRemaining).toBe(4);
    expect(rows().map(({ name }) => name)).toEqual(['Passkey', 'Passkey']);
  });

  it('S60 S65 tells the host before it keeps the row, which outlives its grace', async () => {
    const context = { request: 1 } as never;
    mfa.host.requestInfo = (given) => (given === context ? { ip: '192.0.2.1' } : {});
    const { passkey } = await created();
    const order: unknown[] = [];
    mfa.host.revokeSessions = (change) => void order.push(change, rows()[0]!.expiresAtMs);
    await mfa.enrollment.confirm(ann(), { passkey }, context);
    const change = { type: 'mfa.authenticator.confirmed', userId: 'ann' };
    const session = { enabled: true, sessionId: 'session of ann' };
    expect(order).toEqual([{ ...change, ...session }, mfa.clock.nowMs() + GRACE]);
    expect(rows()[0]!.expiresAtMs).toBeNull();
    expect([...mfa.state.backupCodes.values()].map(({ expiresAtMs }) => expiresAtMs)).toEqual([null, null, null, null]);
    const authenticator = {
      id: rows()[0]!.id,
      type: 'passkey',
      name: 'Passkey',
      createdAt: new Date(mfa.clock.nowMs()),
    };
    await mfa.toldTypes();
    expect(mfa.told.at(-1)).toMatchObject({ ...change, authenticator, ip: '192.0.2.1' });
  });

  it('S80 is refused without an account, for another session, and after 5 minutes', async () => {
    const { passkey } = await created();
    const nobody = mfa.of('nobody');
    await expect(mfa.enrollment.confirm(nobody, { passkey })).rejects.toMatchObject(REJECTED);
    const elsewhere = { ...ann(), sessionId: 'another' };
    const context = { request: 1 } as never;
    mfa.host.requestInfo = (given) => (given === context ? { ip: '192.0.2.1' } : {});
    await expect(mfa.enrollment.confirm(elsewhere, { passkey }, context)).rejects.toMatchObject(REJECTED);
    mfa.clock.advance(300);
    await expect(mfa.enrollment.confirm(ann(), { passkey })).rejects.toMatchObject(REJECTED);
    const failure = { factor: 'confirmation', failure: 'wrong_code' };
    await expect(failures()).resolves.toEqual([failure, failure, failure]);
    expect(mfa.told.map((each) => each.ip)).toEqual([undefined, undefined, '192.0.2.1', undefined]);
    expect(rows()).toEqual([]);
  });

  it.each<[string, () => Promise<void>]>([
    ['factors', () => mfa.change('ann', { activeFactors: [{ type: 'totp', id: 't-1' }] })],
    ['backup codes', () => mfa.change('ann', { backupSetId: 'set' })],
    ['security stamp', () => mfa.accounts.invalidate('ann')],
  ])('S84 is refused after a change of the %s', async (_, change) => {
    const { passkey } = await created();
    await change();
    await expect(mfa.enrollment.confirm(ann(), { passkey })).rejects.toMatchObject(REJECTED);
    expect(rows()).toEqual([]);
  });

  it('S67 is refused for a response or a name that is none, before anything is read', async () => {
    const load = vi.spyOn(mfa.accounts, 'load');
    const malformed = { code: 'MFA_BAD_REQUEST' };
    await expect(mfa.enrollment.confirm(ann(), { passkey: {} })).rejects.toMatchObject(malformed);
    const named = { passkey: {}, name: '' };
    await expect(mfa.enrollment.confirm(ann(), named)).rejects.toMatchObject(malformed);
    expect(load).not.toHaveBeenCalled();
  });

  it('S81 counts the passkeys again', async () => {
    const { key } = await mfa.register('ann');
    const { options } = await mfa.enrollment.setup(ann(), { passkey: await proofOf(key) });
    mfa.options.passkeys!.max = 1;
    const confirm = mfa.enrollment.confirm(ann(), { passkey: newPasskey().create(options) });
    await expect(confirm).rejects.toMatchObject({ code: 'MFA_TOO_MANY_AUTHENTICATORS' });
    expect(rows()).toHaveLength(1);
  });

  it('S80 spends its challenge: the same response is accepted once', async () => {
    const { passkey } = await created();
    const all = await Promise.allSettled([1, 2].map(() => mfa.enrollment.confirm(ann(), { passkey })));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect([...mfa.state.usage.values()].map(({ kind }) => kind)).toEqual(['webauthn']);
    expect((await accountOf()).activeFactors).toEqual([{ type: 'passkey', id: rows()[0]!.id }]);
  });
});

describe('a registration that does not come through', () => {
  it('S79 deletes its own row where its proof was spent first', async () => {
    const { passkey } = await created();
    vi.spyOn(mfa.usage, 'spend').mockResolvedValue(false);
    await expect(mfa.enrollment.confirm(ann(), { passkey })).rejects.toMatchObject(REJECTED);
    expect(rows()).toEqual([]);
  });

  it('S79 deletes its own row after an error before the commit', async () => {
    const { passkey } = await created();
    vi.spyOn(mfa.usage, 'spend').mockRejectedValue(new MfaError('MFA_BUSY'));
    await expect(mfa.enrollment.confirm(ann(), { passkey })).rejects.toMatchObject({ code: 'MFA_BUSY' });
    expect(rows()).toEqual([]);
  });

  it('S79 keeps its row in grace after an error of the commit, which leaves open whether it was committed', async () => {
    const { passkey } = await created();
    vi.spyOn(mfa.accounts, 'commit').mockRejectedValue(new Error('the connection ended'));
    await expect(mfa.enrollment.confirm(ann(), { passkey })).rejects.toThrow('the connection ended');
    expect(rows()).toMatchObject([{ expiresAtMs: mfa.clock.nowMs() + GRACE }]);
  });

  it('S79 is lost where another factor, another set of codes, or the end of the grace came first', async () => {
    const { passkey } = await created();
    const activate = vi.spyOn(mfa.activation, 'activate');
    await mfa.enrollment.confirm(ann(), { passkey });
    const { isCurrent, proved, factor, entry } = activate.mock.lastCall![0];
    expect(factor).toEqual({ type: 'passkey', id: rows()[0]!.id });
    expect(entry).toMatchObject({ kind: 'webauthn', expiresAtMs: mfa.clock.nowMs() + 15 * MINUTE });
    const changed = (to: object) => ({ ...proved, account: { ...proved.account, ...to } });
    expect(isCurrent(proved)).toBe(true);
    expect(isCurrent(changed({ activeFactors: [{ type: 'totp', id: 't-1' }] }))).toBe(false);
    expect(isCurrent(changed({ backupSetId: 'set' }))).toBe(false);
    mfa.clock.set(mfa.clock.nowMs() + GRACE - 1);
    expect(isCurrent(proved)).toBe(true);
    mfa.clock.set(mfa.clock.nowMs() + 1);
    expect(isCurrent(proved)).toBe(false);
  });
});

describe('a credential that a row has already', () => {
  /** A row of another user with the credential of this response. */
  async function taken(changes: Partial<Passkey>, passkey: { id: string }): Promise<void> {
    const row: Passkey = {
      ...{ id: 'p-old', userId: 'ben', name: 'Old', credentialId: passkey.id },
      ...{ credentialHash: credentialHash(passkey.id), publicKey: '', counter: 0, transports: [], aaguid: '' },
      ...{ backupEligible: false, backedUp: false, userVerified: true },
      ...{ createdAtMs: 0, lastUsedAtMs: null, expiresAtMs: null },
    };
    mfa.state.passkeys.set('p-old', { ...row, ...changes });
    await mfa.accounts.open('ben', mfa.clock.nowMs());
  }
  const skewed = (afterMs: number) => mfa.clock.nowMs() - GRACE + afterMs;
  const confirm = (passkey: unknown) => mfa.enrollment.confirm(ann(), { passkey });
  /** The row stays, so its credential is not inserted a second time. */
  async function refused(passkey: unknown): Promise<void> {
    const add = vi.spyOn(mfa.passkeys, 'add');
    await expect(confirm(passkey)).rejects.toMatchObject(REJECTED);
    expect(add).toHaveBeenCalledOnce();
    expect(rows().map(({ id }) => id)).toEqual(['p-old']);
  }

  it('S81 stays with the user whose account names it', async () => {
    const { passkey } = await created();
    await taken({ expiresAtMs: null }, passkey);
    await mfa.change('ben', { activeFactors: [{ type: 'passkey', id: 'p-old' }] });
    await refused(passkey);
    await expect(failures()).resolves.toEqual([{ factor: 'confirmation', failure: 'already_spent' }]);
    expect((await accountOf()).activeFactors).toEqual([]);
  });

  it.each<[string, () => number]>([
    ['its grace is not over', () => mfa.clock.nowMs() + GRACE],
    ['its grace is over by less than clocks may differ', () => skewed(1)],
  ])('S81 stays where no account names it, but %s', async (_, expiresAtMs) => {
    const { passkey } = await created();
    await taken({ expiresAtMs: expiresAtMs() }, passkey);
    await refused(passkey);
  });

  it.each<[string, () => number | null]>([
    ['its grace is over', () => skewed(0)],
    ['its removal was interrupted', () => null],
  ])('S81 is replaced where no account names it and %s', async (_, expiresAtMs) => {
    const { passkey } = await created();
    await taken({ expiresAtMs: expiresAtMs() }, passkey);
    const { rowVersion } = await accountOf('ben');
    await expect(confirm(passkey)).resolves.toMatchObject({ enabled: true });
    expect(rows()).toMatchObject([{ userId: 'ann', expiresAtMs: null }]);
    // S79: a change of its user that was read before the row went fails.
    expect((await accountOf('ben')).rowVersion).toBe(rowVersion + 1);
  });

  it('S81 is replaced where its user has no account any more, or names other factors', async () => {
    const { passkey } = await created();
    await taken({ expiresAtMs: null }, passkey);
    const activeFactors = [{ type: 'totp', id: 'p-old' }];
    await mfa.change('ben', { activeFactors });
    const tryCommit = vi.spyOn(mfa.accounts, 'tryCommit');
    await expect(confirm(passkey)).resolves.toMatchObject({ enabled: true });
    expect(tryCommit).toHaveBeenCalledExactlyOnceWith('ben', expect.any(Number), {});
    const next = await created(newPasskey(), 'cy');
    await taken({ expiresAtMs: null }, next.passkey);
    await mfa.accounts.remove('ben');
    await expect(mfa.enrollment.confirm(mfa.of('cy'), { passkey: next.passkey })).resolves.toBeDefined();
    expect(tryCommit).toHaveBeenCalledOnce();
  });

  it('S79 stays where a change of its user comes first', async () => {
    const { passkey } = await created();
    await taken({ expiresAtMs: null }, passkey);
    vi.spyOn(mfa.accounts, 'tryCommit').mockResolvedValue(false);
    await refused(passkey);
  });

  it('S81 is tried once more where its row went meanwhile, and refused where another one came', async () => {
    const { passkey } = await created();
    const add = vi.spyOn(mfa.passkeys, 'add').mockResolvedValueOnce(false);
    await expect(confirm(passkey)).resolves.toMatchObject({ enabled: true });
    expect(add).toHaveBeenCalledTimes(2);
    const next = await created(newPasskey(), 'cy');
    add.mockResolvedValue(false);
    await expect(mfa.enrollment.confirm(mfa.of('cy'), { passkey: next.passkey })).rejects.toMatchObject(REJECTED);
  });
});
