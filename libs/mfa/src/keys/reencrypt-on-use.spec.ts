import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { inMemoryVerification, wrongCodeOf } from '../../../../test/support/in-memory-verification.js';
import { KEY } from '../../../../test/support/in-memory-mfa.js';
import { SystemRandom } from '../domain/random.js';
import { KeyRing } from '../domain/secrets/key-ring.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { InMemorySealedValueStore } from '../../../../test/support/in-memory-sealed-value-store.js';

const NEW_KEY = { id: 'k2', secret: randomBytes(32).toString('base64') };
const CODES = ['AAAA-AAAA', 'BBBB-BBBB'];

/** A user whose two authenticators and backup codes are under the old key, in a room whose newest key is another. */
async function underOldKey() {
  const mfa = inMemoryVerification({ keys: [NEW_KEY, KEY] });
  const old = new SecretBox(new KeyRing([KEY]), new SystemRandom());
  const phone = await mfa.enroll('ada');
  const tablet = await mfa.enroll('ada');
  await mfa.giveBackupCodes('ada', CODES);
  const reencrypted = (purpose: 'totp-secret' | 'backup-code', id: string, sealed: string) => {
    const context = { purpose, userId: 'ada', credentialId: id };
    return old.seal(mfa.box.open(sealed, context), context);
  };
  for (const [id, row] of mfa.state.authenticators) {
    mfa.state.authenticators.set(id, { ...row, secret: reencrypted('totp-secret', id, row.secret) });
  }
  for (const [id, row] of mfa.state.backupCodes) {
    mfa.state.backupCodes.set(id, { ...row, hash: reencrypted('backup-code', id, row.hash) });
  }
  const keyOf = (id: string) => mfa.box.originOf(mfa.state.authenticators.get(id)!.secret).keyId;
  const codeKeys = () => [...mfa.state.backupCodes.values()].map(({ hash }) => mfa.box.originOf(hash).keyId);
  return { ...mfa, phone, tablet, keyOf, codeKeys };
}

describe('ReencryptOnUse', () => {
  it('S62 re-encrypts the authenticator whose code it was, and no other', async () => {
    const { login, phone, tablet, keyOf, codeKeys } = await underOldKey();
    await login('ada', phone.authenticator.code());
    expect([keyOf(phone.id), keyOf(tablet.id)]).toEqual(['k2', 'k1']);
    expect(codeKeys()).toEqual(['k1', 'k1']);
  });

  it('S62 re-encrypts every backup code of the set', async () => {
    const { login, phone, keyOf, codeKeys } = await underOldKey();
    await login('ada', CODES[0]!);
    expect(codeKeys()).toEqual(['k2', 'k2']);
    expect(keyOf(phone.id)).toBe('k1');
    await expect(login('ada', CODES[0]!)).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    await expect(login('ada', CODES[1]!)).resolves.toMatchObject({ factor: 'backup_code' });
  });

  it('S62 stays as it is when the code is wrong, or was spent already', async () => {
    const { login, firstFactor, verification, phone, keyOf, usage, clock, accounts } = await underOldKey();
    await expect(login('ada', wrongCodeOf(phone.authenticator))).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
    const challenge = await firstFactor('ada');
    const { account } = (await accounts.load('ada'))!;
    const step = Math.floor(clock.nowMs() / 30_000);
    const entries = [{ kind: 'totp', item: `${phone.id}:${step}`, expiresAtMs: null } as const];
    await usage.spend({ userId: 'ada', securityStamp: account.securityStamp, entries, nowMs: clock.nowMs() });
    await expect(verification.verify(challenge, { code: phone.authenticator.code() })).rejects.toMatchObject({
      code: 'MFA_CODE_REJECTED',
    });
    expect(keyOf(phone.id)).toBe('k1');
  });

  it('writes nothing when all is under the newest key', async () => {
    const { login, enroll } = inMemoryVerification();
    const { authenticator } = await enroll('ada');
    const replace = vi.spyOn(InMemorySealedValueStore.prototype, 'replace');
    await login('ada', authenticator.code());
    expect(replace).not.toHaveBeenCalled();
    replace.mockRestore();
  });
});
