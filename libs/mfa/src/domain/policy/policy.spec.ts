import { describe, expect, it } from 'vitest';
import { enforcedFromMs, hasAllowedFactor, isAccepted, isAllowed, type LoginRules, type Policy } from './policy.js';

const POLICY: Policy = {
  ...{ id: 'p', required: true, graceMs: 0, deadlineMs: null, methods: null },
  ...{ backupCodes: true, trustedDevices: true },
};
const rules = (policy: Partial<Policy> | null, firstFactor?: string): LoginRules => ({
  policy: policy && { ...POLICY, ...policy },
  firstFactor,
});
const holding = (...types: string[]) => ({ activeFactors: types.map((type) => ({ type, id: `id of ${type}` })) });

describe('enforcedFromMs', () => {
  it.each<[string, Partial<Policy>, number]>([
    ['the first login, without a grace time', {}, 1000],
    ['the end of the grace time', { graceMs: 500 }, 1500],
    ['the deadline, if it comes first', { graceMs: 500, deadlineMs: 1499 }, 1499],
    ['the end of the grace time, if it comes first', { graceMs: 500, deadlineMs: 1501 }, 1500],
    ['the deadline, if the grace time has no end', { graceMs: Infinity, deadlineMs: 9000 }, 9000],
    ['a deadline in the past', { graceMs: 500, deadlineMs: 1 }, 1],
  ])('S101 is %s', (_, policy, expected) => {
    expect(enforcedFromMs({ ...POLICY, ...policy }, 1000)).toBe(expected);
  });
});

describe('isAllowed', () => {
  it.each<[string, LoginRules, boolean]>([
    ['totp', rules(null), true],
    ['totp', rules({}), true],
    ['totp', rules({ methods: ['totp', 'passkey'] }), true],
    ['totp', rules({ methods: ['passkey'] }), false],
    ['email', rules(null, 'email'), false],
    ['email', rules({ methods: ['email'] }, 'email'), false],
    ['totp', rules(null, 'email'), true],
  ])('S102 decides about %s by the policy and the first factor: %j', (method, given, expected) => {
    expect(isAllowed(method, given)).toBe(expected);
  });
});

describe('hasAllowedFactor', () => {
  it('S102 finds one allowed factor among others, and none without factors', () => {
    const passkeys = rules({ methods: ['passkey'] });
    expect(hasAllowedFactor(holding('totp', 'passkey'), passkeys)).toBe(true);
    expect(hasAllowedFactor(holding('totp'), passkeys)).toBe(false);
    expect(hasAllowedFactor(holding(), rules(null))).toBe(false);
    expect(hasAllowedFactor(holding('card'), rules(null))).toBe(true);
  });
});

describe('isAccepted', () => {
  const both = holding('totp', 'passkey');
  const onlyTotp = holding('totp');
  const passkeys = rules({ methods: ['passkey'] });

  it('S102 accepts a method that the policy does not allow only where the user has no allowed factor', () => {
    expect(isAccepted('totp', both, passkeys)).toBe(false);
    expect(isAccepted('passkey', both, passkeys)).toBe(true);
    expect(isAccepted('totp', onlyTotp, passkeys)).toBe(true);
  });

  it('accepts backup codes unless the policy forbids them', () => {
    expect(isAccepted('backup_code', both, rules(null))).toBe(true);
    expect(isAccepted('backup_code', both, passkeys)).toBe(true);
    expect(isAccepted('backup_code', both, rules({ backupCodes: false }))).toBe(false);
  });

  it('S104 accepts a recovery code under every policy', () => {
    expect(isAccepted('recovery_code', both, rules({ methods: ['passkey'], backupCodes: false }))).toBe(true);
  });

  it('accepts no second factor that was the first one, also where the user has no other', () => {
    expect(isAccepted('email', holding('email'), rules(null, 'email'))).toBe(false);
    expect(isAccepted('totp', holding('email', 'totp'), rules({ methods: ['email'] }, 'email'))).toBe(true);
  });
});
