import { Logger } from '@nestjs/common';
import { of as observableOf } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryMfa, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import type { MfaPolicy } from '../host/mfa-policy.js';

const POLICY: MfaPolicy = { id: 'everyone', required: true };

let mfa: InMemoryMfa;
let log: string[];
beforeEach(() => {
  mfa = inMemoryMfa();
  log = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((message: string) => void log.push(message));
});
afterEach(() => vi.restoreAllMocks());

const busy = expect.objectContaining({ code: 'MFA_BUSY', details: expect.objectContaining({ retryAfterSeconds: 1 }) });

describe('the policy of a user', () => {
  it('is none without option and hook', async () => {
    await expect(mfa.policies.of('ann')).resolves.toBeNull();
  });

  it('is the one of the option, for every user', async () => {
    mfa = inMemoryMfa({ policy: POLICY });
    await expect(mfa.policies.of('ann')).resolves.toMatchObject({ id: 'everyone', required: true });
  });

  it('is what the hook returns for the user, also as a promise or an Observable', async () => {
    const policy = vi.fn<(userId: string, context?: unknown) => never>();
    mfa.host.policy = policy;
    const context = {} as never;
    for (const given of [POLICY, Promise.resolve(POLICY), observableOf(POLICY)]) {
      policy.mockReturnValueOnce(given as never);
      await expect(mfa.policies.of('ann', context)).resolves.toMatchObject({ id: 'everyone' });
    }
    expect(policy).toHaveBeenCalledWith('ann', context);
    policy.mockReturnValueOnce(null as never);
    await expect(mfa.policies.of('ann')).resolves.toBeNull();
  });

  it.each<[string, () => never, string]>([
    [
      'throws',
      () => {
        throw new Error('secret of the directory');
      },
      'MfaHost.policy failed, so the request is refused: Error',
    ],
    [
      'rejects',
      () => Promise.reject(new TypeError('x')) as never,
      'MfaHost.policy failed, so the request is refused: TypeError',
    ],
    ['returns undefined', () => undefined as never, 'MfaHost.policy returned undefined'],
  ])('S103 is MFA_BUSY where the hook %s, and the log has no message of an error', async (_, policy, line) => {
    mfa.host.policy = policy;
    await expect(mfa.policies.of('ann')).rejects.toEqual(busy);
    expect(log).toEqual([expect.stringContaining(line)]);
    expect(log.join()).not.toContain('secret of the directory');
  });

  it('S103 is MFA_MISCONFIGURED where it cannot be used', async () => {
    mfa.host.policy = () => ({ ...POLICY, methods: ['pasky'] });
    await expect(mfa.policies.of('ann')).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringContaining('MfaHost.policy.methods') as string,
    });
    mfa = inMemoryMfa({ policy: { ...POLICY, methods: ['pasky'] } });
    await expect(mfa.policies.of('ann')).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringContaining('option `policy`.methods') as string,
    });
  });
});

describe('the start', () => {
  const starts = () => mfa.policies.onModuleInit();
  const refused = (message: string) =>
    expect.objectContaining({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringContaining(message) as string,
    }) as Error;

  it('needs nothing without a policy', () => {
    expect(starts).not.toThrow();
  });

  it('S100 refuses a policy where a password alone would enroll a factor and nothing states that', () => {
    mfa = inMemoryMfa({ policy: POLICY });
    expect(starts).toThrow(refused('enrollment.allowPasswordOnly'));
    mfa = inMemoryMfa();
    mfa.host.policy = () => null;
    expect(starts).toThrow(refused('MfaHost.authorizeEnrollment'));
  });

  it('S100 accepts a policy with either of the two', () => {
    mfa = inMemoryMfa({ policy: POLICY, enrollment: { proof: 'session-only', allowPasswordOnly: true } });
    expect(starts).not.toThrow();
    mfa = inMemoryMfa({ policy: POLICY });
    mfa.host.authorizeEnrollment = () => true;
    expect(starts).not.toThrow();
  });

  it('refuses option and hook together, and an option that cannot be used', () => {
    mfa = inMemoryMfa({ policy: POLICY, enrollment: { proof: 'session-only', allowPasswordOnly: true } });
    mfa.host.policy = () => null;
    expect(starts).toThrow(refused('not both'));
    mfa = inMemoryMfa({
      policy: { ...POLICY, methods: ['passkey'] },
      enrollment: { proof: 'session-only', allowPasswordOnly: true },
    });
    expect(starts).toThrow(refused('option `policy`.methods must be a list of methods that users can enroll: totp'));
  });
});

describe('the time from which a policy is enforced', () => {
  const policyOf = async (policy: Partial<MfaPolicy>) => {
    mfa.host.policy = () => ({ ...POLICY, ...policy });
    return mfa.policies.of('ann');
  };

  it('is none, and is not stored, without a policy or where it requires nothing', async () => {
    await expect(mfa.policies.enforcedFrom('ann', null)).resolves.toBeNull();
    await expect(mfa.policies.wouldBeEnforcedFrom('ann', null)).resolves.toBeNull();
    await expect(mfa.policies.enforcedFrom('ann', await policyOf({ required: false }))).resolves.toBeNull();
    await expect(mfa.policies.wouldBeEnforcedFrom('ann', await policyOf({ required: false }))).resolves.toBeNull();
    await expect(mfa.policiesSeen.list('ann')).resolves.toEqual([]);
  });

  it('S101 counts from the first sighting, which is stored once', async () => {
    const policy = await policyOf({ graceSeconds: 60 });
    const record = vi.spyOn(mfa.policiesSeen, 'record');
    const firstMs = mfa.clock.nowMs();
    await expect(mfa.policies.enforcedFrom('ann', policy)).resolves.toBe(firstMs + 60_000);
    mfa.clock.advance(30);
    await expect(mfa.policies.enforcedFrom('ann', policy)).resolves.toBe(firstMs + 60_000);
    await expect(mfa.policiesSeen.list('ann')).resolves.toEqual([{ policyId: 'everyone', firstSeenAtMs: firstMs }]);
    expect(record).toHaveBeenCalledTimes(1);
  });

  it('reads nothing where the time of the first sighting is known', async () => {
    const firstSeen = vi.spyOn(mfa.policiesSeen, 'firstSeen');
    const policy = await policyOf({ graceSeconds: 60 });
    await expect(mfa.policies.enforcedFrom('ann', policy, 7)).resolves.toBe(60_007);
    expect(firstSeen).not.toHaveBeenCalled();
  });

  it('S101 is the time of a parallel login that was stored first', async () => {
    vi.spyOn(mfa.policiesSeen, 'record').mockResolvedValue(5);
    await expect(mfa.policies.enforcedFrom('ann', await policyOf({}))).resolves.toBe(5);
  });

  it('stores nothing for a report', async () => {
    const policy = await policyOf({ graceSeconds: 60 });
    const nowMs = mfa.clock.nowMs();
    await expect(mfa.policies.wouldBeEnforcedFrom('ann', policy)).resolves.toBe(nowMs + 60_000);
    await expect(mfa.policiesSeen.list('ann')).resolves.toEqual([]);
    await mfa.policiesSeen.record('ann', 'everyone', 7);
    await expect(mfa.policies.wouldBeEnforcedFrom('ann', policy)).resolves.toBe(60_007);
  });
});

describe('a removal', () => {
  const remove = async (held: string[], left: string[], policy: Partial<MfaPolicy> | null) => {
    mfa.host.policy = () => policy && { ...POLICY, ...policy };
    await mfa.accounts.open('ann', 1);
    const { account } = (await mfa.accounts.load('ann'))!;
    const factors = (types: string[]) => types.map((type, index) => ({ type, id: `${type} ${index}` }));
    return mfa.policies.requireRemovable({ ...account, activeFactors: factors(held) }, factors(left));
  };
  const totp = { methods: ['totp'] };

  it.each<[string, string[], string[], Partial<MfaPolicy> | null]>([
    ['without a policy', ['totp'], [], null],
    ['where the policy requires nothing', ['totp'], [], { required: false }],
    ['where an allowed factor stays', ['totp', 'card'], ['totp'], totp],
    ['of one of two factors that the policy does not allow', ['card', 'pin'], ['card'], totp],
  ])('S102 is possible %s', async (_, held, left, policy) => {
    await expect(remove(held, left, policy)).resolves.toBeUndefined();
  });

  it.each<[string, string[], string[], Partial<MfaPolicy>]>([
    ['of the last factor', ['totp'], [], {}],
    ['of the last allowed factor', ['totp', 'card'], ['card'], totp],
    ['of the only factor, also where the policy does not allow it', ['card'], [], totp],
  ])('S102 is refused where it is that %s', async (_, held, left, policy) => {
    await expect(remove(held, left, policy)).rejects.toMatchObject({ code: 'MFA_REQUIRED_BY_POLICY' });
  });
});
