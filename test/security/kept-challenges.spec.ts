import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaChallengeService, MfaCleanupService, MfaVerificationService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

describe.each(testDatabases)('a host with controllers of its own on %s', (kind) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
  });
  afterAll(() => host.close());

  it('S40 a challenge that was kept until its mfa_token expired completes no login', async () => {
    const user = new Client(host, 'kept');
    const { authenticator } = await user.enroll();
    const challenge = await host.app.get(MfaChallengeService).check(await user.login());
    host.clock.advance(60 * 60);
    await expect(
      host.app.get(MfaVerificationService).verify(challenge, { code: authenticator.code() }),
    ).rejects.toMatchObject({
      response: { code: 'MFA_TOKEN_INVALID' },
    });
  });

  it('S34 S44 a kept challenge completes one login, also when the cleanup forgot what was spent', async () => {
    const user = new Client(host, 'twice');
    const { authenticator } = await user.enroll();
    const challenge = await host.app.get(MfaChallengeService).check(await user.login());
    const verification = host.app.get(MfaVerificationService);
    await verification.verify(challenge, { code: authenticator.code() });
    host.clock.advance(20 * 60);
    await host.app.get(MfaCleanupService).purge();
    await expect(verification.verify(challenge, { code: authenticator.code() })).rejects.toMatchObject({
      response: { code: 'MFA_TOKEN_INVALID' },
    });
  });
});
