import type { MfaConfirmation } from '../enrollment/enrollment-results.js';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment } from '../../../../test/support/in-memory-enrollment.js';
import { MfaFactor, type MfaFactorUser } from '../host/mfa-factor.js';
import { provedStamp } from '../verification/proof-verifier.js';

class CardFactor extends MfaFactor {
  readonly method = 'card';
  readonly budget = 'other';
  match = (_: unknown, { ids: [id] }: MfaFactorUser) => ({ id: id!, amr: [], spend: { item: 'x', expiresAt: null } });
  describe = () => [];
  forget = () => undefined;
}

/** Its failures are not counted. */
class TagFactor extends CardFactor {
  override readonly method = 'tag' as never;
  override readonly budget = null as never;
  override readonly unguessable = true;
}

let mfa: ReturnType<typeof inMemoryEnrollment>;
beforeEach(() => (mfa = inMemoryEnrollment({}, [new CardFactor(), new TagFactor()])));
afterEach(() => vi.restoreAllMocks());

const CARD = { type: 'card', id: 'c-1', name: ' Card ' };
const proof = { code: 'x', method: 'card' as const };
const accountOf = async () => (await mfa.accounts.load('ann'))!.account;
const activate = (credential: object = {}, offered: object = {}, context?: never) =>
  mfa.ownEnrollment.activate(mfa.of('ann'), { ...CARD, ...credential }, offered, context);
const failTimes = (failures: number) => {
  const account = mfa.state.accounts.get('ann')!;
  const budgets = { ...account.budgets, other: { ...account.budgets.other, failures } };
  mfa.state.accounts.set('ann', { ...account, budgets });
};

describe('the activation of a credential of the application', () => {
  it('names it in the account, gives backup codes, and tells the host', async () => {
    const context = { request: 1 } as never;
    mfa.host.requestInfo = (given) => (given === context ? { ip: '192.0.2.1' } : {});
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    const owner = { ...mfa.of('ann'), amr: ['pwd', 'otp'] };
    const confirmed = await mfa.ownEnrollment.activate(owner, CARD, { password: 'x' }, context);
    expect(forSetup.mock.lastCall![2]).toEqual({ password: 'x', context });
    const { activeFactors, securityStamp } = await accountOf();
    expect(activeFactors).toEqual([{ type: 'card', id: 'c-1' }]);
    const mfaAt = new Date(mfa.clock.nowMs());
    expect(confirmed).toEqual({
      enabled: true,
      backupCodes: expect.objectContaining({ length: 4 }) as string[],
      stepUp: { userId: 'ann', amr: ['pwd', 'mfa'], mfaAt, factor: 'card', backupCodesRemaining: 4 },
    });
    expect(provedStamp((confirmed as MfaConfirmation).stepUp)).toBe(securityStamp);
    await mfa.toldTypes();
    const authenticator = { id: 'c-1', type: 'card', name: 'Card', createdAt: mfaAt };
    const type = 'mfa.authenticator.confirmed';
    expect(mfa.told).toMatchObject([{ type, userId: 'ann', authenticator, ip: '192.0.2.1' }]);
    expect(mfa.changes).toEqual([{ type, userId: 'ann', enabled: true, sessionId: 'session of ann' }]);
    expect([...mfa.state.backupCodes.values()].every(({ expiresAtMs }) => expiresAtMs === null)).toBe(true);
  });

  it('gives no codes where there is a set, and needs a proof then', async () => {
    await activate();
    await expect(activate({ id: 'c-2' })).rejects.toMatchObject({ code: 'MFA_PROOF_REQUIRED' });
    const second = await activate({ id: 'c-2' }, proof);
    expect(second).not.toHaveProperty('backupCodes');
    expect((second as MfaConfirmation).stepUp.backupCodesRemaining).toBe(4);
  });

  it('is refused where the account names its id already', async () => {
    await activate();
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    await expect(activate({ type: 'tag' })).rejects.toMatchObject({
      code: 'MFA_BAD_REQUEST',
      details: { message: ['this authenticator is active already'] },
    });
    expect(forSetup).not.toHaveBeenCalled();
  });

  it('S17 is lost where the factors or the security stamp changed since the proof', async () => {
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    for (const change of [() => mfa.change('ann', { backupSetId: 'set' }), () => mfa.accounts.invalidate('ann')]) {
      forSetup.mockImplementationOnce(async () => {
        await change();
        return [];
      });
      await expect(activate()).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    }
    expect((await accountOf()).activeFactors).toEqual([]);
  });

  it.each(['totp', 'passkey', 'badge', ''])('throws for a type that no class in `factors` has: %j', async (type) => {
    await expect(activate({ type })).rejects.toThrow(
      new TypeError(`MfaEnrollmentService.activate: no factor in \`factors\` has the method '${type}'`),
    );
  });

  it.each(['', 'a'.repeat(37), 'a,b', 'a:b', 'ä', ' a', 'a\n', 7, undefined])('throws for the id %j', async (id) => {
    await expect(activate({ id })).rejects.toThrow(
      new TypeError('MfaEnrollmentService.activate: `id` must have 1 to 36 characters of A-Z, a-z, 0-9, _ and -'),
    );
  });

  it('takes ids of 1 to 36 characters', async () => {
    await expect(activate({ id: 'aZ0_-'.padEnd(36, '9') })).resolves.toBeDefined();
    await expect(activate({ id: 'a' }, proof)).resolves.toBeDefined();
  });

  it('S67 is refused for an unusable principal or name', async () => {
    await expect(activate({ name: '' })).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
    const nobody = { ...mfa.of('ann'), userId: '' };
    const refused = mfa.ownEnrollment.activate(nobody, CARD, {});
    await expect(refused).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });
});

describe('the failures of factors of the application', () => {
  beforeEach(() => mfa.accounts.open('ann', mfa.clock.nowMs()));
  const disableAfter = () => mfa.options.attempts.disableAfter;

  it('S54 end with the only one that is counted', async () => {
    failTimes(3);
    await activate({ type: 'tag', id: 't-1' });
    expect(mfa.budgetOf('ann', 'other').failures).toBe(3);
    await mfa.change('ann', { activeFactors: [] });
    await activate();
    expect(mfa.budgetOf('ann', 'other').failures).toBe(0);
  });

  it('S54 stay where another one counts, unless they disabled it', async () => {
    const error = vi.spyOn(Logger.prototype, 'error');
    await activate();
    const forSetup = vi.spyOn(mfa.proof, 'forSetup').mockResolvedValue([]);
    failTimes(disableAfter() - 1);
    await activate({ id: 'c-2' });
    expect(mfa.budgetOf('ann', 'other').failures).toBe(disableAfter() - 1);
    failTimes(disableAfter());
    await activate({ id: 'c-3' });
    expect(mfa.budgetOf('ann', 'other').failures).toBe(0);
    expect(forSetup).toHaveBeenCalledTimes(2);
    expect(error).not.toHaveBeenCalled();
  });
});

describe('a credential of the application within a login that must enroll', () => {
  const context = { getType: () => 'rpc' } as never;

  it('S100 spends the token with its activation, and is refused before a proof where the token holds no more', async () => {
    mfa.host.policy = () => ({ id: 'everyone', required: true });
    mfa.host.authorizeEnrollment = () => true;
    mfa.host.completeLogin = ({ userId }) => ({ sessionOf: userId });
    const issued = await mfa.challenges.issue('ann', { accountName: 'ann' });
    if (!issued.enrollmentRequired) throw new Error('an enrollment is expected');
    const forSetup = vi.spyOn(mfa.proof, 'forSetup');
    const enroll = () => mfa.ownEnrollment.activate({ mfa_token: issued.mfa_token }, CARD, {}, context);
    await expect(enroll()).resolves.toMatchObject({ enabled: true, login: { sessionOf: 'ann' } });
    expect((await accountOf()).activeFactors).toEqual([{ type: 'card', id: 'c-1' }]);
    await mfa.change('ann', { activeFactors: [] });
    await expect(enroll()).rejects.toMatchObject({ code: 'MFA_TOKEN_INVALID' });
    expect(forSetup).toHaveBeenCalledOnce();
  });
});
