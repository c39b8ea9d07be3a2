import { describe, expect, it } from 'vitest';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { Factor } from '../domain/factors/factor.js';
import { isProtected, requireAsProved } from './change-protection.js';

const factor = (method: string, protectsChanges: boolean) => ({ method, protectsChanges, enabled: false }) as Factor;
const FACTORS = [factor('totp', false), factor('passkey', true)];

const snapshot = (types: string[], securityStamp = 1) => {
  const activeFactors = types.map((type) => ({ type, id: `id of ${type}` }));
  return { account: { activeFactors, securityStamp } } as unknown as AccountSnapshot;
};

describe('a user whose changes are protected', () => {
  it.each<[string[], boolean]>([
    [[], false],
    [['totp'], false],
    [['totp', 'passkey'], true],
    [['passkey'], true],
    [['card'], false],
  ])(
    'S84 has a factor that protects changes, also where this instance cannot verify it: %j is %s',
    (types, expected) => {
      expect(isProtected(snapshot(types), FACTORS)).toBe(expected);
    },
  );

  it('S84 is nobody where no factor protects changes', () => {
    expect(isProtected(snapshot(['totp', 'passkey']), [factor('totp', false), factor('passkey', false)])).toBe(false);
  });
});

describe('a change at its commit', () => {
  const check = (now: AccountSnapshot, proved: AccountSnapshot) => () => requireAsProved(now, proved, FACTORS);
  const lost = expect.objectContaining({ code: 'MFA_CODE_REJECTED' }) as Error;

  it('S84 is made for the account as it was proved', () => {
    expect(check(snapshot(['totp']), snapshot(['totp']))).not.toThrow();
    expect(check(snapshot(['passkey']), snapshot(['passkey']))).not.toThrow();
    expect(check(snapshot(['totp', 'totp']), snapshot(['totp']))).not.toThrow();
  });

  it('S84 is lost where the security stamp is another one', () => {
    expect(check(snapshot(['totp'], 2), snapshot(['totp'], 1))).toThrow(lost);
  });

  it('S84 is lost where a passkey was confirmed or removed since the proof', () => {
    expect(check(snapshot(['totp', 'passkey']), snapshot(['totp']))).toThrow(lost);
    expect(check(snapshot(['totp']), snapshot(['totp', 'passkey']))).toThrow(lost);
  });
});
