import { beforeEach, describe, expect, it } from 'vitest';
import { inMemoryVerification } from '../../../../test/support/in-memory-verification.js';
import type { MfaIssueOptions } from './first-factor.js';

const INVALID = { code: 'MFA_TOKEN_INVALID', status: 401 };

let mfa: ReturnType<typeof inMemoryVerification>;
beforeEach(async () => {
  mfa = inMemoryVerification();
  await mfa.enroll('ann');
});

async function tokenOf(options: MfaIssueOptions = {}): Promise<string> {
  const issued = await mfa.challenges.issue('ann', options);
  if (!issued.mfaRequired) throw new Error('a second step is expected');
  return issued.mfa_token;
}

describe('the description of an open challenge', () => {
  it('has the methods and the remaining seconds, for a token and for its challenge', async () => {
    const token = await tokenOf();
    mfa.clock.advance(100.5);
    const open = { mfaRequired: true, methods: ['totp'], expiresIn: 200 };
    await expect(mfa.challenges.describe(token)).resolves.toEqual(open);
    await expect(mfa.challenges.describe(mfa.tokens.read(token))).resolves.toEqual(open);
  });

  it('S102 leaves out the first factor of the login, and what the policy forbids now', async () => {
    await mfa.giveBackupCodes('ann', ['ABCD-EFGH']);
    const token = await tokenOf({ firstFactor: 'totp' });
    await expect(mfa.challenges.describe(token)).resolves.toMatchObject({ methods: ['backup_code'] });
    mfa.host.policy = () => ({ id: 'everyone', required: true, backupCodes: false });
    await expect(mfa.challenges.describe(token)).resolves.toMatchObject({ methods: [] });
  });

  it('S40 is refused from the very millisecond in which the challenge expires', async () => {
    const challenge = mfa.tokens.read(await tokenOf());
    mfa.clock.advance(299.999);
    await expect(mfa.challenges.describe(challenge)).resolves.toMatchObject({ expiresIn: 1 });
    mfa.clock.advance(0.001);
    await expect(mfa.challenges.describe(challenge)).rejects.toMatchObject(INVALID);
  });

  it.each([undefined, null, 7, {}, 'x'])('S67 is refused for %j', async (given) => {
    await expect(mfa.challenges.describe(given as string)).rejects.toMatchObject(INVALID);
  });
});
