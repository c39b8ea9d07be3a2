import { describe, expect, it } from 'vitest';
import { generateRecoveryCode } from '../backup-codes/generate.js';
import { isBackupCodeShape, normaliseCode } from '../code.js';
import { SystemRandom } from '../random.js';
import { KeyRing } from '../secrets/key-ring.js';
import type { MfaAccount } from '../accounts/account.js';
import { isRecoveryCodeShape, matchRecoveryCode, RECOVERY_LIFETIME_MS, recoveryHash } from './recovery-code.js';

const OLD = { id: 'old', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=' };
const NEW = { id: 'new', secret: 'Zt4kQw8mYb2VxE6uHs1LdP9rCfJ3nGa7oXiR5vTzK0M=' };
const CODE = 'ABCDEFGH23456789';
const ring = (...keys: (typeof OLD)[]) => new KeyRing(keys);
const account = (userId: string, hash: string | null, expiresAtMs = 1000) =>
  ({ userId, recovery: hash === null ? null : { hash, expiresAtMs } }) as MfaAccount;
const hashOf = (userId: string, code = CODE, key = OLD) => recoveryHash(userId, code, ring(key).newest);

describe('a recovery code', () => {
  it('S104 has 80 random bits, and its format is that of no other code', () => {
    const codes = Array.from({ length: 200 }, () => generateRecoveryCode(new SystemRandom()));
    expect(new Set(codes).size).toBe(200);
    for (const code of codes) {
      expect(code).toMatch(/^[A-HJ-NP-Z2-9]{4}(-[A-HJ-NP-Z2-9]{4}){3}$/);
      expect(isRecoveryCodeShape(normaliseCode(code))).toBe(true);
      expect(isBackupCodeShape(normaliseCode(code))).toBe(false);
    }
  });

  it.each(['ABCDEFGH2345678', 'ABCDEFGH234567890', 'ABCD-FGH23456789', 'ÄBCDEFGH23456789', 'x ABCDEFGH23456789'])(
    'has another format than %j',
    (text) => {
      expect(isRecoveryCodeShape(text)).toBe(false);
    },
  );

  it('S104 is stored as a keyed hash that is bound to the user', () => {
    expect(hashOf('ann')).toMatch(/^[0-9a-f]{64}$/);
    expect(
      new Set([hashOf('ann'), hashOf('bob'), hashOf('ann', 'BBCDEFGH23456789'), hashOf('ann', CODE, NEW)]).size,
    ).toBe(4);
  });

  it('S104 lives for 24 hours', () => {
    expect(RECOVERY_LIFETIME_MS).toBe(86_400_000);
  });

  it('S104 matches under every key of the ring, and returns what spends it', () => {
    const hash = hashOf('ann');
    for (const keyRing of [ring(OLD), ring(NEW, OLD)]) {
      expect(matchRecoveryCode(account('ann', hash), CODE, { keyRing, nowMs: 999 })).toEqual({
        entry: { kind: 'recovery_code', item: hash, expiresAtMs: 1000 + 600_000 },
        recoveryHash: hash,
      });
    }
  });

  it.each<[string, MfaAccount, string, number, KeyRing]>([
    ['of another user', account('bob', hashOf('ann')), CODE, 0, ring(OLD)],
    ['that is wrong', account('ann', hashOf('ann')), 'BBCDEFGH23456789', 0, ring(OLD)],
    ['that expired in this millisecond', account('ann', hashOf('ann')), CODE, 1000, ring(OLD)],
    ['where there is none', account('ann', null), CODE, 0, ring(OLD)],
    ['whose key left the ring', account('ann', hashOf('ann')), CODE, 0, ring(NEW)],
    ['whose stored hash is shorter', account('ann', hashOf('ann').slice(1)), CODE, 0, ring(OLD)],
  ])('S104 does not match a code %s', (_, row, code, nowMs, keyRing) => {
    expect(matchRecoveryCode(row, code, { keyRing, nowMs })).toBeNull();
  });
});
