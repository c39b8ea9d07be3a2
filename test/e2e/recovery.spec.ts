import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, POLICIES, PolicyHost } from '../support/policy-host.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };
const DAY = 24 * 60 * 60;

describe.each(testDatabases)('recovery on %s', (database) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let users = 0;
  const newUser = () => new EnrollingClient(host, `user-${(users += 1)}`);
  const recover = (user: EnrollingClient, mfa_token: string, code: string) =>
    user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES });
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  it('S104 replaces the factors of a user by one new factor, and signs the user in', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const { code, expiresAt } = await admin.issueRecoveryCode(user.userId, AGENT);
    expect(code).toMatch(/^[A-Z2-9]{4}(-[A-Z2-9]{4}){3}$/);
    expect(expiresAt.getTime()).toBe(host.clock.nowMs() + DAY * 1000);
    const login = await user.loginAnswer();
    expect(login.body.methods).toEqual(['totp', 'backup_code']);
    const verified = await recover(user, login.body.mfa_token, code.toLowerCase()).expect(200);
    expect(verified.body).toMatchObject({ enrollmentRequired: true, enrollmentMethods: ['totp', 'passkey'] });
    // The old factors stay required until the new one is confirmed.
    await user.verify(await user.login(), authenticator.code()).expect(200);

    const key = newKey();
    const confirmed = await user.enrollPasskeyBy(verified.body.mfa_token, key);
    expect(confirmed.body).toMatchObject({ enabled: true, login: { accessToken: expect.any(String) as string } });
    expect(confirmed.body.backupCodes).toHaveLength(4);
    expect((await user.loginAnswer()).body.methods).toEqual(['passkey', 'backup_code']);
    host.clock.advance(30);
    await user.verify(await user.login(), authenticator.code()).expect(401);
    await user.verify(await user.login(), backupCodes[0]).expect(401);
    await user.verify(await user.login(), confirmed.body.backupCodes[0]).expect(200);
    expect((await user.signInByPasskey(key)).status).toBe(200);
    expect(host.state.revocations).toContain(`mfa.recovered ${user.userId}`);
  });

  it('S70 never counts a spent code that is sent again as a guess, so the next one works', async () => {
    const user = newUser();
    await user.enroll();
    const statuses: number[] = [];
    // More submissions than the daily cap has guesses.
    for (let codes = 0; codes < 3; codes += 1) {
      const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
      for (let times = 0; times < 6; times += 1) {
        statuses.push((await recover(user, await user.login(), code)).status);
      }
    }
    expect(statuses).toEqual(Array.from({ length: 18 }, (_, index) => (index % 6 === 0 ? 200 : 401)));
    expect((await admin.exportUser(user.userId)).attempts).toEqual([]);
    await recover(user, await user.login(), 'ABCD-EFGH-2345-6789').expect(401);
    expect((await admin.exportUser(user.userId)).attempts).toMatchObject([{ factor: 'recovery_code', failures: 1 }]);
  });

  it('S104 accepts a code once, for 24 hours, and only the newest one', async () => {
    const user = newUser();
    await user.enroll();
    const first = await admin.issueRecoveryCode(user.userId, AGENT);
    const second = await admin.issueRecoveryCode(user.userId, AGENT);
    await recover(user, await user.login(), first.code).expect(401);
    await recover(user, await user.login(), second.code).expect(200);
    await recover(user, await user.login(), second.code).expect(401);
    const third = await admin.issueRecoveryCode(user.userId, AGENT);
    host.clock.advance(DAY);
    await recover(user, await user.login(), third.code).expect(401);
  });

  it('S104 ends a code with a normal login', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    await user.verify(await user.login(), authenticator.code()).expect(200);
    await recover(user, await user.login(), code).expect(401);
  });

  it('S104 proves no step-up and no change', async () => {
    const user = newUser();
    await user.enroll();
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    for (const path of ['/mfa/step-up', '/mfa/disable', '/mfa/backup-codes/regenerate', '/mfa/totp/setup']) {
      await user.post(path, { code, method: 'recovery_code' }).expect(401);
    }
    await recover(user, await user.login(), code).expect(200);
  });

  it('S104 refuses a code for oneself', async () => {
    const user = newUser();
    await expect(admin.issueRecoveryCode(user.userId, { actor: { userId: user.userId } })).rejects.toMatchObject({
      code: 'MFA_BAD_REQUEST',
    });
  });

  it('S102 leads to an enrollment after a reset, which the host must authorize, or a recovery code', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await admin.reset(user.userId, AGENT);
    PolicyHost.authorizes = () => false;
    const { mfa_token } = await user.mustEnroll();
    await user.send('/mfa/totp/setup', { mfa_token }).expect(401);
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    const proof = { code, method: 'recovery_code' };
    const { confirmed } = await user.enrollTotpBy(mfa_token, proof);
    expect(confirmed.body).toMatchObject({ login: { accessToken: expect.any(String) as string } });
    await user.verify(await user.login(), authenticator.code()).expect(401);
  });

  it('S102 refuses a reset that would leave password-only access, before anything changes', async () => {
    const other = await startHostApp({ database: 'sqlite' });
    try {
      const user = new EnrollingClient(other, 'ann');
      const { authenticator } = await user.enroll();
      const service = other.app.get(MfaAdminService, { strict: false });
      await expect(service.reset('ann', AGENT)).rejects.toMatchObject({ code: 'MFA_MISCONFIGURED' });
      await user.verify(await user.login(), authenticator.code()).expect(200);
      await service.reset('ann', { ...AGENT, requireEnrollment: false });
      expect((await user.loginAnswer()).body.accessToken).toEqual(expect.any(String));
    } finally {
      await other.close();
    }
  });
});
