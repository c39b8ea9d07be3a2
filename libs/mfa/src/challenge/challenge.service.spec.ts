import { inspect } from 'node:util';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import { methodsOf } from '../domain/factors/factor.js';
import { MfaChallenge } from './mfa-challenge.js';

let mfa: InMemoryMfa;
beforeEach(() => {
  mfa = inMemoryMfa();
});
afterEach(() => vi.restoreAllMocks());

/** The mfa_token of a first factor. */
async function tokenOf(userId = 'ann'): Promise<string> {
  const issued = await mfa.challenges.issue(userId);
  return issued.mfaRequired ? issued.mfa_token : '';
}

/** Gives the user a set of as many unspent backup codes. */
async function giveBackupCodes(userId: string, count: number): Promise<void> {
  const setId = mfa.random.id();
  const row = { userId, setId, hash: 'sealed', usedAtMs: null, expiresAtMs: null };
  await mfa.backupCodes.add(Array.from({ length: count }, () => ({ ...row, id: mfa.random.id() })));
  await commit(userId, { backupSetId: setId });
}

async function commit(userId: string, change: Parameters<typeof mfa.accounts.commit>[2]): Promise<void> {
  const { account } = (await mfa.accounts.load(userId))!;
  expect(await mfa.accounts.commit(userId, account.rowVersion, change)).toBe(true);
}

const INVALID = { code: 'MFA_TOKEN_INVALID', status: 401 };

describe('issue', () => {
  it('requires no second step of a user who has no authenticator, never had one, or only began to set one up', async () => {
    await mfa.accounts.open('removed', 1);
    await mfa.enroll('pending');
    const { account } = (await mfa.accounts.load('pending'))!;
    await commit('pending', { activeFactors: [], pendingId: account.activeFactors[0]!.id });
    for (const userId of ['never', 'removed', 'pending']) {
      const login = { userId, mfaAt: null, factor: null, backupCodesRemaining: null, enrollmentDueAt: null };
      await expect(mfa.challenges.issue(userId)).resolves.toEqual({ mfaRequired: false, login: { ...login, amr: [] } });
      await expect(mfa.challenges.issue(userId, { amr: ['pwd'], state: { tenant: 'Ä' } })).resolves.toEqual({
        mfaRequired: false,
        login: { ...login, amr: ['pwd'], state: { tenant: 'Ä' } },
      });
    }
    expect(mfa.told).toEqual([]);
  });

  it('gives a token, its seconds and the methods, and tells of it', async () => {
    await mfa.enroll('ann');
    await expect(mfa.challenges.issue('ann')).resolves.toEqual({
      mfaRequired: true,
      mfa_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      methods: ['totp'],
      expiresIn: 300,
    });
    await Promise.resolve();
    expect(mfa.told).toEqual([
      {
        type: 'mfa.challenge.issued',
        userId: 'ann',
        actor: { type: 'user', id: 'ann' },
        at: new Date(mfa.clock.nowMs()),
      },
    ]);
  });

  it('S78 warns of an account of the same id in lower case, without naming it, and takes it for another user', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await mfa.enroll('ann');
    await expect(mfa.challenges.issue('Ann')).resolves.toMatchObject({ mfaRequired: false });
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/exists in another case.*pass the id from the row/)]]);
    expect(JSON.stringify(warn.mock.calls)).not.toMatch(/\bann\b/i);
    await mfa.enroll('Ann');
    await expect(mfa.challenges.issue('Ann')).resolves.toMatchObject({ mfaRequired: true });
    expect(warn).toHaveBeenCalledTimes(2);
  });

  it('S78 warns of nothing where ids differ in more than case', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    await mfa.enroll('ann');
    for (const id of ['ann', 'Anne', 'ANNA', 'Än']) await mfa.challenges.issue(id);
    expect(warn).not.toHaveBeenCalled();
  });

  it('never gives the same token twice', async () => {
    await mfa.enroll('ann');
    expect(await tokenOf()).not.toBe(await tokenOf());
  });

  it('takes a numeric id for its digits', async () => {
    await mfa.enroll('42');
    await expect(mfa.challenges.issue(42)).resolves.toMatchObject({ mfaRequired: true });
  });

  it.each([undefined, null, '', ' ann', 1.5, {}])('refuses the user id %j as a mistake of the caller', async (id) => {
    await expect(mfa.challenges.issue(id as never)).rejects.toThrow(/^MfaChallengeService.issue: the user id must be/);
  });

  it.each<[string, () => Promise<void>]>([
    ['the factor is locked', async () => spoilBudget({ lockedUntilMs: mfa.clock.nowMs() + 1000 })],
    ['the factor is disabled by failures', async () => spoilBudget({ failures: 1000 })],
    ['the secret is unreadable', async () => spoilAuthenticators(() => ({ secret: 'v1.k1.damaged' }))],
    ['the row is gone', async () => mfa.state.authenticators.clear()],
  ])('S43a still asks when %s', async (_, spoil) => {
    await mfa.enroll('ann');
    await spoil();
    await expect(mfa.challenges.issue('ann')).resolves.toMatchObject({ mfaRequired: true, methods: ['totp'] });
  });

  function spoilBudget(change: object): void {
    const account = mfa.state.accounts.get('ann')!;
    const totp = { ...account.budgets.totp, ...change };
    mfa.state.accounts.set('ann', { ...account, budgets: { ...account.budgets, totp } });
  }

  function spoilAuthenticators(change: () => object): void {
    for (const [id, row] of mfa.state.authenticators) mfa.state.authenticators.set(id, { ...row, ...change() });
  }

  it('sets the cookie on a response, where one is given', async () => {
    await mfa.enroll('ann');
    const headers = new Map<string, unknown>();
    const response = {
      getHeader: () => undefined,
      setHeader: (name: string, value: unknown) => headers.set(name, value),
    };
    const issued = await mfa.challenges.issue('ann', { cookie: response });
    expect(headers.get('Set-Cookie')).toEqual([
      expect.stringMatching(`^mfa_token=${(issued as { mfa_token: string }).mfa_token};`),
    ]);
    headers.clear();
    await mfa.challenges.issue('nobody', { cookie: response });
    expect(headers.size).toBe(0);
  });

  it('S45 fails when the storage does', async () => {
    vi.spyOn(mfa.accounts, 'load').mockRejectedValue(new Error('connection lost'));
    await expect(mfa.challenges.issue('ann')).rejects.toThrow('connection lost');
  });
});

describe('methodsOf', () => {
  it.each([
    [[], 10, []],
    [[{ type: 'totp', id: 'a' }], 0, ['totp']],
    [[{ type: 'totp', id: 'a' }], 1, ['totp', 'backup_code']],
    [[{ type: 'unknown', id: 'a' }], 1, ['backup_code']],
  ])('of the authenticators %j and %i codes are %j', (activeFactors, backupCodesRemaining, methods) => {
    expect(methodsOf({ account: { activeFactors }, backupCodesRemaining } as never, mfa.factors)).toEqual(methods);
  });

  it('are told with the challenge', async () => {
    await mfa.enroll('ann');
    await giveBackupCodes('ann', 1);
    await expect(mfa.challenges.issue('ann')).resolves.toMatchObject({ methods: ['totp', 'backup_code'] });
  });
});

describe('reading a token', () => {
  it('S40 gives the challenge of a right signature, be it revoked or not', async () => {
    await mfa.enroll('ann');
    const token = await tokenOf();
    await mfa.accounts.invalidate('ann');
    const { userId, tokenId, securityStamp } = mfa.tokens.read(token);
    expect({ userId, securityStamp }).toEqual({
      userId: 'ann',
      securityStamp: mfa.state.accounts.get('ann')!.securityStamp - 1,
    });
    expect(tokenId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([undefined, null, 7, {}, ['x'], '', 'x', 'a.b.c'])('S40 refuses %j', (token) => {
    expect(() => mfa.tokens.read(token as never)).toThrow(expect.objectContaining({ code: 'MFA_TOKEN_INVALID' }));
  });
});

describe('a challenge', () => {
  it('keeps the claims of its token, also when its fields are changed', async () => {
    await mfa.enroll('ann');
    const challenge = await mfa.challenges.check(await tokenOf());
    const claims = { ...MfaChallenge.claimsOf(challenge) };
    Object.assign(challenge, { userId: 'bob', tokenId: 'x', securityStamp: 0 });
    expect(MfaChallenge.claimsOf(challenge)).toEqual(claims);
    expect(claims).toMatchObject({ userId: 'ann', expiresAtMs: mfa.clock.nowMs() + 300_000 });
  });

  it('is made by nobody else', () => {
    const forged = { userId: 'ann', tokenId: 'x', securityStamp: 0, expiresAt: new Date() };
    const refused = expect.objectContaining({ code: 'MFA_TOKEN_INVALID' });
    for (const each of [forged, undefined, null, 7, Object.create(MfaChallenge.prototype)]) {
      expect(() => MfaChallenge.claimsOf(each as never)).toThrow(refused);
    }
  });
});

describe('check', () => {
  it('gives the challenge that a token stands for', async () => {
    await mfa.enroll('ann');
    const { securityStamp } = mfa.state.accounts.get('ann')!;
    const challenge = await mfa.challenges.check(await tokenOf());
    const expiresAt = new Date(mfa.clock.nowMs() + 300_000);
    expect(challenge).toMatchObject({
      userId: 'ann',
      securityStamp,
      expiresAt,
      tokenId: expect.stringMatching(/^[\w-]{36}$/),
    });
  });

  it('S64 shows nothing of the account in JSON or in logs', async () => {
    await mfa.enroll('ann');
    const challenge = await mfa.challenges.check(await tokenOf());
    const [row] = mfa.state.authenticators.values();
    expect(Object.keys(JSON.parse(JSON.stringify(challenge)))).toEqual([
      'userId',
      'tokenId',
      'securityStamp',
      'expiresAt',
    ]);
    expect(inspect(challenge, { depth: 9, showHidden: true })).not.toContain(row!.secret);
  });

  it.each([undefined, null, 7, {}, ['x'], '', 'x', 'a.b.c'])('refuses the token %j', async (token) => {
    const load = vi.spyOn(mfa.accounts, 'load');
    await expect(mfa.challenges.check(token as never)).rejects.toMatchObject(INVALID);
    expect(load).not.toHaveBeenCalled();
  });

  it('refuses it once it has expired', async () => {
    await mfa.enroll('ann');
    const token = await tokenOf();
    mfa.clock.advance(299);
    await expect(mfa.challenges.check(token)).resolves.toBeInstanceOf(MfaChallenge);
    mfa.clock.advance(1);
    await expect(mfa.challenges.check(token)).rejects.toMatchObject(INVALID);
  });

  it('S41 refuses the token of another issuer, though it has the same keys', async () => {
    await mfa.enroll('ann');
    const token = await tokenOf();
    const other = inMemoryMfa({ issuer: 'Other' });
    await other.enroll('ann');
    await expect(other.challenges.check(token)).rejects.toMatchObject(INVALID);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['S43 the tokens of the user were revoked', () => mfa.accounts.invalidate('ann')],
    ['S43 MFA was disabled', () => commit('ann', { activeFactors: [] })],
    ['S43 the account was removed', () => mfa.accounts.remove('ann')],
    [
      'S43 the account was removed and created again',
      async () => (await mfa.accounts.remove('ann'), mfa.accounts.open('ann', 5)),
    ],
  ])('refuses it when %s', async (_, change) => {
    await mfa.enroll('ann');
    const token = await tokenOf();
    await change();
    await expect(mfa.challenges.check(token)).rejects.toMatchObject(INVALID);
  });

  it('S44 refuses it once it is spent, and no other token with it', async () => {
    await mfa.enroll('ann');
    const [spent, other] = [await tokenOf(), await tokenOf()];
    const { tokenId, securityStamp } = await mfa.challenges.check(spent);
    const entries = [{ kind: 'token', item: tokenId, expiresAtMs: null }] as const;
    await mfa.usage.spend({ userId: 'ann', securityStamp, entries, nowMs: mfa.clock.nowMs() });
    await expect(mfa.challenges.check(spent)).rejects.toMatchObject(INVALID);
    await expect(mfa.challenges.check(other)).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S42 refuses a row whose user is not the one of the token', async () => {
    await mfa.enroll('ann');
    const token = await tokenOf();
    const row = mfa.state.accounts.get('ann')!;
    mfa.state.accounts.set('ann', { ...row, userId: 'Ann' });
    await expect(mfa.challenges.check(token)).rejects.toMatchObject(INVALID);
  });

  it.each([
    ['open', {}],
    ['locked', { failures: 5, lockedUntilMs: Number.MAX_SAFE_INTEGER }],
    ['over the daily cap', { failures: 6, dailyTatMs: Number.MAX_SAFE_INTEGER }],
    ['disabled', { failures: 100 }],
  ])('S55 S43a reads only and gives the challenge where the budget is %s', async (_, change) => {
    await mfa.enroll('ann');
    const token = await tokenOf();
    const account = mfa.state.accounts.get('ann')!;
    const totp = { ...account.budgets.totp, ...change };
    mfa.state.accounts.set('ann', { ...account, budgets: { ...account.budgets, totp } });
    const before = structuredClone(mfa.state.accounts.get('ann'));
    await expect(mfa.challenges.check(token)).resolves.toMatchObject({ userId: 'ann' });
    expect(mfa.state.accounts.get('ann')).toEqual(before);
    expect(mfa.state.usage.size).toBe(0);
  });
});
