import { RESET } from '../support/reset.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { CHANGES, expectSuperseded, sessionsWithSecondFactor, SlowHost } from '../support/slow-host.js';

const STEP_UP_CHANGES = ['disable', 'remove', 'reset', 'invalidate', 'purgeUser'];

describe.each(testDatabases)('S71 S72 a step-up that is not finished, on %s', (database) => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({ database, host: SlowHost, options: FEW_CODES });
  });
  afterAll(() => host.close());

  const admin = () => host.app.get(MfaAdminService, { strict: false });
  it.each(STEP_UP_CHANGES)('leaves no session with a second factor when %s runs before it ends', async (name) => {
    const user = new Client(host, `stepping-${(users += 1)}`);
    const enrolled = { ...(await user.enroll()), user };
    const other = new Client(host, user.userId);
    SlowHost.meanwhile = () => CHANGES[name]!(enrolled, host);
    await other.post('/mfa/step-up', { code: enrolled.authenticator.code() }).expect(401, /MFA_CODE_REJECTED/);
    expectSuperseded(user, host);
  });

  it('leaves no session with a second factor when MFA is disabled while a confirmation completes', async () => {
    const user = new Client(host, `stepping-${(users += 1)}`);
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    SlowHost.meanwhile = () => admin().reset(user.userId, RESET);
    const { body } = await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    expect(body.session).toBeUndefined();
    expectSuperseded(user, host);
  });

  it('keeps its session when another user disables MFA before it ends', async () => {
    const [user, other] = [new Client(host, 'undisturbed'), new Client(host, 'other')];
    const { authenticator } = await user.enroll();
    const { backupCodes } = await other.enroll();
    SlowHost.meanwhile = () => other.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
    await user.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    expect(sessionsWithSecondFactor(user, host)).toHaveLength(1);
  });
});
