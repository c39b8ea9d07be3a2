import { Injectable, type ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, type MfaStepUp } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** Its `completeStepUp` waits for what a test does meanwhile. */
@Injectable()
class SlowHost extends TestHost {
  static meanwhile: (() => PromiseLike<unknown>) | null = null;

  override async completeStepUp(stepUp: MfaStepUp, context: ExecutionContext): Promise<unknown> {
    const work = SlowHost.meanwhile;
    SlowHost.meanwhile = null;
    await work?.();
    return super.completeStepUp(stepUp, context);
  }
}

describe.each(testDatabases)('S71 S72 a step-up that is not finished, on %s', (database) => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({ database, host: SlowHost, options: FEW_CODES });
  });
  afterAll(() => host.close());

  const admin = () => host.app.get(MfaAdminService, { strict: false });
  const withSecondFactor = ({ userId }: Client) =>
    [...host.state.sessions.values()].filter((each) => each.userId === userId && each.mfaAt);

  type Enrolled = Awaited<ReturnType<Client['enroll']>> & { user: Client };
  const changes: [string, (enrolled: Enrolled) => PromiseLike<unknown>][] = [
    ['disable', ({ user, backupCodes }) => user.post('/mfa/disable', { code: backupCodes[0] }).expect(200)],
    [
      'remove',
      ({ user, id, backupCodes }) =>
        user.post(`/mfa/authenticators/${id}/remove`, { code: backupCodes[0] }).expect(200),
    ],
    ['reset', ({ user }) => admin().reset(user.userId)],
    ['invalidate', ({ user }) => admin().invalidate(user.userId)],
    ['purgeUser', ({ user }) => admin().purgeUser(user.userId)],
  ];

  it.each(changes)('leaves no session with a second factor when %s runs before it ends', async (_, change) => {
    const user = new Client(host, `stepping-${(users += 1)}`);
    const enrolled = { ...(await user.enroll()), user };
    const other = new Client(host, user.userId);
    SlowHost.meanwhile = () => change(enrolled);
    await other.post('/mfa/step-up', { code: enrolled.authenticator.code() }).expect(401, /MFA_CODE_REJECTED/);
    expect(withSecondFactor(user)).toEqual([]);
    expect(host.state.revocations.at(-1)).toBe(`mfa.login.superseded ${user.userId}`);
  });

  it('leaves no session with a second factor when MFA is disabled while a confirmation completes', async () => {
    const user = new Client(host, `stepping-${(users += 1)}`);
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    SlowHost.meanwhile = () => admin().reset(user.userId);
    const { body } = await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    expect(body.session).toBeUndefined();
    expect(withSecondFactor(user)).toEqual([]);
    expect(host.state.revocations.at(-1)).toBe(`mfa.login.superseded ${user.userId}`);
  });

  it('keeps its session when nothing changes, and when another user changes', async () => {
    const [user, other] = [new Client(host, 'undisturbed'), new Client(host, 'other')];
    const { authenticator } = await user.enroll();
    const { backupCodes } = await other.enroll();
    SlowHost.meanwhile = () => other.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
    await user.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    expect(withSecondFactor(user)).toHaveLength(1);
  });
});
