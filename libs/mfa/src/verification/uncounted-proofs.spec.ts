import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryEnrollment, newPasskey } from '../../../../test/support/in-memory-enrollment.js';

const REJECTED = { code: 'MFA_CODE_REJECTED' };

describe('a passkey response, whose failures are not counted', () => {
  let mfa: ReturnType<typeof inMemoryEnrollment>;
  let key: ReturnType<typeof newPasskey>;
  beforeEach(async () => {
    mfa = inMemoryEnrollment();
    ({ key } = await mfa.register('ann'));
    await mfa.toldTypes();
    mfa.told.length = 0;
  });
  afterEach(() => vi.restoreAllMocks());
  const told = async () => {
    await mfa.toldTypes();
    return mfa.told.map((each) => [each.type, 'failure' in each ? each.failure : undefined]);
  };
  async function stepUp(counter?: number) {
    const prepared = await mfa.preparation.prepare(mfa.of('ann'), { method: 'passkey' });
    const { options } = prepared as { options: Parameters<typeof key.get>[0] };
    const passkey = key.get(options, counter === undefined ? {} : { counter });
    return mfa.verification.stepUp(mfa.of('ann'), { passkey });
  }

  it('S83 tells the owner of a suspected clone, with the passkey, and of another failure not', async () => {
    await expect(stepUp(1)).rejects.toMatchObject(REJECTED);
    await expect(told()).resolves.toEqual([
      ['mfa.verification.failed', 'clone_suspected'],
      ['mfa.passkey.clone_suspected', undefined],
    ]);
    expect(mfa.told[1]).toMatchObject({ userId: 'ann', authenticator: { type: 'passkey', name: 'Passkey' } });
    mfa.told.length = 0;
    vi.spyOn(mfa.passkeyFactor, 'evaluate').mockResolvedValueOnce({ match: null });
    await expect(stepUp()).rejects.toMatchObject(REJECTED);
    await expect(told()).resolves.toEqual([['mfa.verification.failed', 'wrong_code']]);
  });

  it('S65 tells of 20 suspected clones in an hour, and holds the rest back with their events', async () => {
    for (let tries = 0; tries < 21; tries += 1) await expect(stepUp(1)).rejects.toMatchObject(REJECTED);
    expect(await told()).toHaveLength(40);
  });

  it('S45 opens nothing where the store reserves none, and is a lost race then', async () => {
    const reserve = mfa.store.reserveAttempt.bind(mfa.store);
    vi.spyOn(mfa.store, 'reserveAttempt').mockImplementation(async (attempt) => ({
      ...(await reserve(attempt)),
      reserved: false,
    }));
    await expect(stepUp()).rejects.toMatchObject(REJECTED);
    await expect(told()).resolves.toEqual([['mfa.verification.failed', 'state_changed']]);
    expect([...mfa.state.usage.values()]).toHaveLength(1);
  });

  it('S83 suspects a clone for no other reason, though the passkey is known', async () => {
    const credential = [...mfa.state.passkeys.values()][0]!;
    const evaluation = { match: null, failure: 'already_spent', credential } as const;
    vi.spyOn(mfa.passkeyFactor, 'evaluate').mockResolvedValueOnce(evaluation);
    await expect(stepUp()).rejects.toMatchObject(REJECTED);
    await expect(told()).resolves.toEqual([['mfa.verification.failed', 'already_spent']]);
  });

  it('S70 has no attempt to release where its race is lost', async () => {
    vi.spyOn(mfa.store, 'spendAndSettle').mockResolvedValue(false);
    const release = vi.spyOn(mfa.limiter, 'release');
    await expect(stepUp()).rejects.toMatchObject(REJECTED);
    await expect(told()).resolves.toEqual([['mfa.verification.failed', 'already_spent']]);
    expect(release).not.toHaveBeenCalled();
  });
});
