import { beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryVerification } from '../../../../test/support/in-memory-verification.js';
import { MfaChallenge } from '../challenge/mfa-challenge.js';
import type { Factor } from '../domain/factors/factor.js';
import { sessionBinding } from '../host/session-binding.js';
import { ProofPreparation } from './proof-preparation.js';

const MINUTE = 60_000;
const PREPARED = { prepared: true };
const ANN = { userId: 'ann', accountName: 'ann', sessionId: 's-1' };

let mfa: ReturnType<typeof inMemoryVerification>;
let preparation: ProofPreparation;
const prepare = vi.fn<(snapshot: unknown, request: { context: unknown }) => Promise<unknown>>();
const isAvailable = vi.fn<(snapshot: unknown) => boolean>();

beforeEach(async () => {
  mfa = inMemoryVerification();
  await mfa.enroll('ann');
  prepare.mockReset().mockResolvedValue(PREPARED);
  isAvailable.mockReset().mockReturnValue(true);
  const card = { method: 'card', rows: 'passkeys', prepare, isAvailable } as unknown as Factor;
  const factors = [...mfa.factors, card];
  preparation = new ProofPreparation(mfa.accounts, mfa.tokens, mfa.policies, mfa.clock, factors);
});

const tokenOf = async (userId: string) => {
  const issued = await mfa.challenges.issue(userId);
  if (!issued.mfaRequired) throw new Error('a second factor is expected');
  return issued.mfa_token;
};
const refusal = (code: string) => ({ code });

describe('the preparation of a login', () => {
  it('S80 is bound to its mfa_token and the purpose verify, by default and by name', async () => {
    const token = await tokenOf('ann');
    const { tokenId } = mfa.tokens.read(token);
    const expiresAtMs = mfa.clock.nowMs() + 5 * MINUTE;
    for (const purpose of [undefined, null, 'verify'] as const) {
      await expect(preparation.prepare(token, { method: 'card', purpose })).resolves.toBe(PREPARED);
      const binding = { purpose: 'verify', binding: tokenId };
      expect(prepare).toHaveBeenLastCalledWith(expect.anything(), { binding, expiresAtMs, context: undefined });
    }
  });

  it('takes a checked challenge in place of its token', async () => {
    const challenge = mfa.tokens.read(await tokenOf('ann'));
    expect(challenge).toBeInstanceOf(MfaChallenge);
    await expect(preparation.prepare(challenge, { method: 'card' })).resolves.toBe(PREPARED);
    expect(prepare.mock.lastCall![1]).toMatchObject({ binding: { binding: challenge.tokenId } });
  });

  it('ends with the mfa_token where that is earlier', async () => {
    const challenge = mfa.tokens.read(await tokenOf('ann'));
    mfa.clock.set(challenge.expiresAt.getTime() - MINUTE);
    await preparation.prepare(challenge, { method: 'card' });
    expect(prepare.mock.lastCall![1]).toMatchObject({ expiresAtMs: challenge.expiresAt.getTime() });
  });

  it('S80 is refused from the millisecond in which the mfa_token ends', async () => {
    const challenge = mfa.tokens.read(await tokenOf('ann'));
    mfa.clock.set(challenge.expiresAt.getTime() - 1);
    await expect(preparation.prepare(challenge, { method: 'card' })).resolves.toBe(PREPARED);
    mfa.clock.set(challenge.expiresAt.getTime());
    await expect(preparation.prepare(challenge, { method: 'card' })).rejects.toMatchObject(
      refusal('MFA_TOKEN_INVALID'),
    );
  });

  it('S80 is refused where the token is spent, revoked, malformed, or of a removed account', async () => {
    const refused = (token: string) =>
      expect(preparation.prepare(token, { method: 'card' })).rejects.toMatchObject(refusal('MFA_TOKEN_INVALID'));
    await refused('no token');
    const spent = await tokenOf('ann');
    const { tokenId, securityStamp } = mfa.tokens.read(spent);
    const entries = [{ kind: 'token', item: tokenId, expiresAtMs: null }];
    await mfa.usage.spend({ userId: 'ann', securityStamp, entries, nowMs: 0 });
    await refused(spent);
    const revoked = await tokenOf('ann');
    await mfa.accounts.invalidate('ann');
    await refused(revoked);
    const removed = await tokenOf('ann');
    await mfa.accounts.remove('ann');
    await refused(removed);
  });

  it('S80 has no other purpose than verify', async () => {
    const token = await tokenOf('ann');
    for (const purpose of ['step-up', 'change'] as const)
      await expect(preparation.prepare(token, { method: 'card', purpose })).rejects.toMatchObject({
        code: 'MFA_BAD_REQUEST',
        details: { message: ['with an mfa_token, purpose must be verify'] },
      });
    expect(prepare).not.toHaveBeenCalled();
  });
});

describe('the preparation of a signed-in user', () => {
  it('S80 is bound to the session and its purpose for 5 minutes; step-up is the default', async () => {
    const expiresAtMs = mfa.clock.nowMs() + 5 * MINUTE;
    const context = {} as never;
    for (const [given, purpose] of [
      [undefined, 'step-up'],
      [null, 'step-up'],
      ['step-up', 'step-up'],
      ['change', 'change'],
    ] as const) {
      await expect(preparation.prepare(ANN, { method: 'card', purpose: given, context })).resolves.toBe(PREPARED);
      const binding = { purpose, binding: sessionBinding({ sessionId: 's-1', authenticatedAt: undefined }) };
      expect(prepare).toHaveBeenLastCalledWith(expect.anything(), { binding, expiresAtMs, context });
      expect(prepare.mock.lastCall![1].context).toBe(context);
    }
  });

  it('S80 has no purpose verify', async () => {
    await expect(preparation.prepare(ANN, { method: 'card', purpose: 'verify' })).rejects.toMatchObject({
      code: 'MFA_BAD_REQUEST',
      details: { message: ['purpose must be step-up or change'] },
    });
  });

  it('S67 is refused for an unusable principal', async () => {
    const nobody = { ...ANN, userId: '' };
    await expect(preparation.prepare(nobody, { method: 'card' })).rejects.toMatchObject(
      refusal('MFA_NOT_AUTHENTICATED'),
    );
  });

  it('S81 reads the rows of that factor, and none for an unknown one', async () => {
    const read = vi.spyOn(mfa.accounts, 'loadWith');
    await preparation.prepare(ANN, { method: 'card' });
    expect(read).toHaveBeenLastCalledWith('passkeys', 'ann');
    const snapshot = prepare.mock.lastCall![0];
    expect(isAvailable).toHaveBeenLastCalledWith(snapshot);
    await preparation.prepare(ANN, { method: 'none such' }).catch(() => undefined);
    expect(read).toHaveBeenLastCalledWith('none', 'ann');
    const token = await tokenOf('ann');
    await preparation.prepare(token, { method: 'card' });
    expect(read).toHaveBeenLastCalledWith('passkeys', 'ann', { tokenId: mfa.tokens.read(token).tokenId });
  });

  it('is not found for an unknown factor, one that the user has not, and a user without an account', async () => {
    const notFound = refusal('MFA_AUTHENTICATOR_NOT_FOUND');
    await expect(preparation.prepare(ANN, { method: 'none such' })).rejects.toMatchObject(notFound);
    const ben = { ...ANN, userId: 'ben' };
    await expect(preparation.prepare(ben, { method: 'card' })).rejects.toMatchObject(notFound);
    isAvailable.mockReturnValue(false);
    await expect(preparation.prepare(ANN, { method: 'card' })).rejects.toMatchObject(notFound);
    expect(prepare).not.toHaveBeenCalled();
  });
});

describe('the preparation under the rules of a login', () => {
  const policy = { id: 'p', required: true, methods: ['totp'] };
  const notFound = { code: 'MFA_AUTHENTICATOR_NOT_FOUND' };

  it('S102 is not found for a method that the policy does not allow to a user who has an allowed one', async () => {
    const context = {} as never;
    const token = await tokenOf('ann');
    mfa.host.policy = (userId, given) => (userId === 'ann' && given === context ? policy : null);
    for (const caller of [token, ANN]) {
      await expect(preparation.prepare(caller, { method: 'card', context })).rejects.toMatchObject(notFound);
      await expect(preparation.prepare(caller, { method: 'card' })).resolves.toBe(PREPARED);
    }
    const { account } = (await mfa.accounts.load('ann'))!;
    const activeFactors = [{ type: 'card', id: 'c-1' }];
    await mfa.accounts.commit('ann', account.rowVersion, { activeFactors });
    await expect(preparation.prepare(ANN, { method: 'card', context })).resolves.toBe(PREPARED);
  });

  it('proves a change of factors by every method that the user has', async () => {
    mfa.host.policy = () => policy;
    await expect(preparation.prepare(ANN, { method: 'card', purpose: 'change' })).resolves.toBe(PREPARED);
  });

  it('is not found for the method that was the first factor of the login', async () => {
    const issued = await mfa.challenges.issue('ann', { firstFactor: 'card' });
    if (!issued.mfaRequired) throw new Error('a second factor is expected');
    await expect(preparation.prepare(issued.mfa_token, { method: 'card' })).rejects.toMatchObject(notFound);
    await expect(preparation.prepare(await tokenOf('ann'), { method: 'card' })).resolves.toBe(PREPARED);
  });
});
