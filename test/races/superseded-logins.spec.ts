import { Injectable, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, type MfaLogin } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** Its `completeLogin` waits for what a test does meanwhile. */
@Injectable()
class SlowHost extends TestHost {
  static meanwhile: (() => PromiseLike<unknown>) | null = null;

  override async completeLogin(login: MfaLogin, context: ExecutionContext): Promise<unknown> {
    const work = SlowHost.meanwhile;
    SlowHost.meanwhile = null;
    await work?.();
    return super.completeLogin(login, context);
  }
}

const ROUNDS = 2;

describe.each(testDatabases)('S71 a login that is not finished, on %s', (database) => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({ database, host: SlowHost, options: FEW_CODES });
  });
  afterAll(() => host.close());

  const admin = () => host.app.get(MfaAdminService, { strict: false });
  const livingOf = ({ userId }: Client) => [...host.state.sessions.values()].filter((each) => each.userId === userId);
  const withSecondFactor = (user: Client) => livingOf(user).filter(({ mfaAt }) => mfaAt);

  type Enrolled = Awaited<ReturnType<Client['enroll']>> & { user: Client };
  const changes: [string, (enrolled: Enrolled) => PromiseLike<unknown>][] = [
    ['disable', ({ user, backupCodes }) => user.post('/mfa/disable', { code: backupCodes[0] }).expect(200)],
    [
      'remove',
      ({ user, id, backupCodes }) =>
        user.post(`/mfa/authenticators/${id}/remove`, { code: backupCodes[0] }).expect(200),
    ],
    [
      'regenerate',
      ({ user, backupCodes }) => user.post('/mfa/backup-codes/regenerate', { code: backupCodes[0] }).expect(200),
    ],
    ['reset', ({ user }) => admin().reset(user.userId)],
    ['invalidate', ({ user }) => admin().invalidate(user.userId)],
    ['passwordChanged', ({ user }) => admin().passwordChanged(user.userId)],
    ['purgeUser', ({ user }) => admin().purgeUser(user.userId)],
  ];

  it.each(changes)('leaves no session with a second factor when %s runs before it ends', async (_, change) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const user = new Client(host, `in-flight-${(users += 1)}`);
      const enrolled = { ...(await user.enroll()), user };
      const token = await user.login();
      SlowHost.meanwhile = () => change(enrolled);
      await user.verify(token, enrolled.authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
      expect(withSecondFactor(user)).toEqual([]);
      expect(host.state.revocations.at(-1)).toBe(`mfa.login.superseded ${user.userId}`);
      host.clock.advance(90);
    }
  });

  it('keeps its session when nothing changes, and when another user changes', async () => {
    const [user, other] = [new Client(host, 'undisturbed'), new Client(host, 'other')];
    const { authenticator } = await user.enroll();
    const { backupCodes } = await other.enroll();
    const token = await user.login();
    SlowHost.meanwhile = () => other.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
    await user.verify(token, authenticator.code()).expect(200);
    expect(withSecondFactor(user)).toHaveLength(2);
  });
});

describe('S71 a user who is blocked', () => {
  let host: HostApp;
  afterEach(() => host.close());

  it('receives 401 and no session when blocked between the first and the second factor', async () => {
    host = await startHostApp({ options: FEW_CODES });
    const user = new Client(host, 'blocked');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    host.state.blocked.add('blocked');
    const before = host.state.sessions.size;
    await user.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    expect(host.state.sessions.size).toBe(before);
  });

  it('receives the error that completeLogin throws', async () => {
    class ThrowingHost extends TestHost {
      override completeLogin(): never {
        throw new UnauthorizedException('This account is blocked');
      }
    }
    host = await startHostApp({ host: ThrowingHost, options: FEW_CODES });
    const user = new Client(host, 'told');
    const { authenticator } = await user.enroll();
    const answer = await user.verify(await user.login(), authenticator.code()).expect(401);
    expect(answer.body).toEqual({ statusCode: 401, message: 'This account is blocked', error: 'Unauthorized' });
  });
});
