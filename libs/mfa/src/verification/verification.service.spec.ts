import type { ExecutionContext } from '@nestjs/common';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification, wrongCodeOf } from '../../../../test/support/in-memory-verification.js';
import type { VirtualAuthenticator } from '../testing/virtual-authenticator.js';
import type { MfaIssueOptions } from '../challenge/challenge.service.js';
import { signMfaToken } from '../challenge/mfa-token.js';
import type { MfaProof } from './verification.service.js';

const REJECTED = { code: 'MFA_CODE_REJECTED', status: 401 };

let mfa: ReturnType<typeof inMemoryVerification>;
let phone: VirtualAuthenticator;
let phoneId: string;

beforeEach(async () => {
  mfa = inMemoryVerification();
  ({ authenticator: phone, id: phoneId } = await mfa.enroll('ann'));
});
afterEach(() => vi.restoreAllMocks());

const wrongCode = () => wrongCodeOf(phone);
const now = () => new Date(mfa.clock.nowMs());

describe('a login by TOTP', () => {
  it('returns who passed what, and when', async () => {
    await expect(mfa.login('ann', phone.code())).resolves.toEqual({
      userId: 'ann',
      amr: ['otp', 'mfa'],
      mfaAt: now(),
      factor: 'totp',
      backupCodesRemaining: 0,
      enrollmentDueAt: null,
    });
  });

  it('S65 is told of, and noted with the authenticator', async () => {
    await mfa.login('ann', phone.code());
    expect(mfa.told.slice(1)).toEqual([
      {
        type: 'mfa.verification.succeeded',
        userId: 'ann',
        actor: { type: 'user', id: 'ann' },
        factor: 'totp',
        authenticator: { id: phoneId, type: 'totp', name: 'phone', createdAt: new Date(0) },
        at: now(),
      },
    ]);
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
    const open = vi.spyOn(mfa.box, 'open');
    await expect(mfa.login('ann', second.code())).resolves.toMatchObject({ userId: 'ann' });
    expect(mfa.state.authenticators.get(id)!.lastUsedAtMs).toBe(mfa.clock.nowMs());
    expect(mfa.state.authenticators.get(phoneId)!.lastUsedAtMs).toBeNull();
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ userId: 'ann' });
    // Two authenticators for each of two codes.
    expect(open).toHaveBeenCalledTimes(4);
  });

  it('S13 takes no code of an authenticator that the account does not name', async () => {
    const { account } = (await mfa.accounts.load('ann'))!;
    const { authenticator: dropped } = await mfa.enroll('ann');
    const { rowVersion } = (await mfa.accounts.load('ann'))!.account;
    await mfa.accounts.commit('ann', rowVersion, { activeFactors: account.activeFactors });
    await expect(mfa.login('ann', dropped.code())).rejects.toMatchObject(REJECTED);
  });

  it("S31 takes nobody else's code, and the same code of two users who have the same secret", async () => {
    const { id } = await mfa.enroll('bob');
    await expect(mfa.login('bob', phone.code())).rejects.toMatchObject(REJECTED);
    const annsRow = mfa.state.authenticators.get(phoneId)!;
    const context = { purpose: 'totp-secret', userId: 'ann', credentialId: phoneId } as const;
    const secret = mfa.box.seal(mfa.box.open(annsRow.secret, context), { ...context, userId: 'bob', credentialId: id });
    mfa.state.authenticators.set(id, { ...mfa.state.authenticators.get(id)!, secret });
    await expect(mfa.login('bob', phone.code())).resolves.toMatchObject({ userId: 'bob' });
    await expect(mfa.login('ann', phone.code())).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S3 treats a secret that cannot be opened like a wrong code, and logs it', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const row = mfa.state.authenticators.get(phoneId)!;
    mfa.state.authenticators.set(phoneId, { ...row, secret: `${row.secret}x` });
    await expect(mfa.login('ann', phone.code())).rejects.toMatchObject(REJECTED);
    expect(error).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(phoneId));
    expect(mfa.failures()).toEqual([{ factor: 'totp', failure: 'wrong_code' }]);
  });
});

describe('what was used', () => {
  it('S27 a code is good for nothing more, whatever the token, and at no later time', async () => {
    const code = phone.code(1);
    await mfa.login('ann', code);
    for (let passed = 0; passed <= 90; passed += 15) {
      await expect(mfa.login('ann', code)).rejects.toMatchObject(REJECTED);
      await expect(mfa.verification.stepUp('ann', { code })).rejects.toMatchObject(REJECTED);
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
    await mfa.verification.verify(challenge, { code: phone.code() });
    await expect(mfa.verification.verify(challenge, { code: phone.code(1) })).rejects.toMatchObject({ status: 401 });
    await expect(mfa.login('ann', phone.code(1))).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S34 a wrong code spends no token', async () => {
    const challenge = await mfa.firstFactor('ann');
    await expect(mfa.verification.verify(challenge, { code: wrongCode() })).rejects.toMatchObject(REJECTED);
    await expect(mfa.verification.verify(challenge, { code: phone.code() })).resolves.toMatchObject({
      mfaRequired: false,
    });
  });

  it('S28 S34a of 20 submissions at once one wins, and the account is not locked after them', async () => {
    const code = phone.code();
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => mfa.login('ann', code)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(mfa.login('ann', phone.code(1))).resolves.toMatchObject({ userId: 'ann' });
  });

  it('S70 a right code that is sent again leaves the budget as it was', async () => {
    const code = phone.code();
    await mfa.login('ann', code);
    const before = mfa.budgetOf('ann', 'totp');
    await expect(mfa.login('ann', code)).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'totp')).toEqual(before);
    expect(mfa.failures()).toEqual([{ factor: 'totp', failure: 'already_spent' }]);
  });

  it('S70 a right code that is sent again takes no earlier failure and no earned lock away', async () => {
    const spent = phone.code();
    await mfa.login('ann', spent);
    for (let tries = 0; tries < 4; tries += 1) await expect(mfa.login('ann', wrongCode())).rejects.toThrow();
    const four = mfa.budgetOf('ann', 'totp');
    for (let tries = 0; tries < 7; tries += 1) await expect(mfa.login('ann', spent)).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'totp')).toEqual(four);
    await expect(mfa.login('ann', wrongCode())).rejects.toMatchObject(REJECTED);
    const five = mfa.budgetOf('ann', 'totp');
    expect(five).toMatchObject({ failures: 5 });
    await expect(mfa.login('ann', spent)).rejects.toMatchObject({ code: 'MFA_LOCKED' });
    expect(mfa.budgetOf('ann', 'totp')).toEqual(five);
  });
});

describe('S43 a challenge from before', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['the tokens were revoked', () => mfa.accounts.invalidate('ann')],
    ['the account was removed', () => mfa.accounts.remove('ann')],
  ])('completes nothing once %s, and spends nothing', async (_, change) => {
    const challenge = await mfa.firstFactor('ann');
    await change();
    await expect(mfa.verification.verify(challenge, { code: phone.code() })).rejects.toMatchObject({ status: 401 });
    expect(mfa.state.usage.size).toBe(0);
  });
});

describe('a challenge that was kept', () => {
  it('S40 is good until its token expires, and from that moment no more', async () => {
    const [inTime, late] = [await mfa.firstFactor('ann'), await mfa.firstFactor('ann')];
    const expiresAtMs = inTime.expiresAt.getTime();
    mfa.clock.set(expiresAtMs);
    await expect(mfa.verification.verify(late, { code: phone.code() })).rejects.toMatchObject({
      code: 'MFA_TOKEN_INVALID',
    });
    mfa.clock.set(expiresAtMs - 1);
    await expect(mfa.verification.verify(inTime, { code: phone.code() })).resolves.toMatchObject({
      mfaRequired: false,
    });
  });
});

describe('what the login path said about its first factor', () => {
  const issue = async (options: MfaIssueOptions) => {
    const issued = await mfa.challenges.issue('ann', options);
    return issued.mfaRequired ? issued.mfa_token : '';
  };

  it('comes back with the second factor: amr merged, the state as it was given', async () => {
    const state = { rememberMe: true, returnTo: '/räume?tab=ß', tenant: null };
    const token = await issue({ amr: ['pwd', 'mfa'], state });
    await expect(mfa.verification.verify(token, { code: phone.code() })).resolves.toEqual({
      mfaRequired: false,
      login: expect.objectContaining({ amr: ['pwd', 'otp', 'mfa'], state }),
    });
    const { login } = (await mfa.verification.verify(await issue({}), { code: phone.code(1) })) as { login: object };
    expect(login).not.toHaveProperty('state');
  });

  it('S24 S40 an mfa_token as text is checked as a challenge is', async () => {
    for (const token of ['', 'x.y.z', `${await issue({})}x`]) {
      const answer = mfa.verification.verify(token, { code: phone.code() });
      await expect(answer).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID', status: 401 });
    }
    expect(mfa.state.usage.size).toBe(0);
  });

  it('a state that cannot be opened costs no code', async () => {
    const { securityStamp } = mfa.state.accounts.get('ann')!;
    const { keyRing, issuer } = mfa.options;
    const params = { kind: 'verify', keyRing, issuer, lifetimeSeconds: 300, nowMs: mfa.clock.nowMs() } as const;
    const token = signMfaToken({ userId: 'ann', tokenId: 'other', securityStamp, state: 'v1.k1.a.b.c' }, params);
    const answer = mfa.verification.verify(token, { code: phone.code() });
    await expect(answer).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
    expect(mfa.state.usage.size).toBe(0);
  });
});

describe('a proof', () => {
  it('S50 is evaluated by the named method alone, and costs nothing where it has another shape', async () => {
    const proof = { code: phone.code(), method: 'backup_code' };
    await expect(mfa.verification.stepUp('ann', proof)).rejects.toMatchObject(REJECTED);
    await expect(mfa.verification.stepUp('ann', { ...proof, method: 'passkey' })).rejects.toMatchObject(REJECTED);
    expect(mfa.budgetOf('ann', 'backup_code').failures).toBe(0);
    await expect(mfa.verification.stepUp('ann', { ...proof, method: 'totp' })).resolves.toMatchObject({
      factor: 'totp',
    });
    await expect(mfa.verification.stepUp('ann', { code: phone.code(1), method: null })).resolves.toMatchObject({
      factor: 'totp',
    });
  });

  it.each<[string, unknown]>([
    ['a code alone', '123456'],
    ['nothing', undefined],
    ['null', null],
    ['no code', {}],
    ['a code that is a number', { code: 123456 }],
    ['a method that is a list', { code: '123456', method: ['totp'] }],
  ])('S24 is refused with 400 as %s', async (_, proof) => {
    await expect(mfa.verification.stepUp('ann', proof as MfaProof)).rejects.toMatchObject({
      code: 'MFA_BAD_REQUEST',
      status: 400,
    });
  });

  it('S65 its events carry the request where a context was passed', async () => {
    mfa.host.requestInfo = () => ({ requestId: 'r1' });
    const context = {} as ExecutionContext;
    await expect(mfa.verification.stepUp('ann', { code: wrongCode() }, context)).rejects.toMatchObject(REJECTED);
    await mfa.verification.stepUp('ann', { code: phone.code() }, context);
    for (let guess = 0; guess < 6; guess += 1) {
      await mfa.verification.stepUp('ann', { code: wrongCode() }, context).catch(() => undefined);
    }
    const failures = mfa.told.map((event) => ('failure' in event ? event.failure : event.type));
    expect([...new Set(failures)]).toEqual(['wrong_code', 'mfa.verification.succeeded', 'locked']);
    expect(mfa.told.every(({ requestId }) => requestId === 'r1')).toBe(true);
  });
});

describe('a step-up', () => {
  it('proves the second factor without a token', async () => {
    await expect(mfa.verification.stepUp('ann', { code: phone.code() })).resolves.toMatchObject({
      userId: 'ann',
      amr: ['otp', 'mfa'],
      mfaAt: now(),
      factor: 'totp',
    });
    expect([...mfa.state.usage.values()].map(({ kind }) => kind)).toEqual(['totp']);
  });

  it('takes a numeric id for its digits', async () => {
    const { authenticator } = await mfa.enroll('42');
    await expect(mfa.verification.stepUp(42, { code: authenticator.code() })).resolves.toMatchObject({ userId: '42' });
  });

  it.each(['bob', '', ' ann', null, Number.NaN])('is refused where %j has no second factor', async (userId) => {
    await expect(mfa.verification.stepUp(userId as never, { code: phone.code() })).rejects.toMatchObject({
      code: 'MFA_NOT_ENABLED',
      status: 409,
    });
  });
});
