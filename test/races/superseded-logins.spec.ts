import { UnauthorizedException } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';
import { CHANGES, expectSuperseded, sessionsWithSecondFactor, SlowHost } from '../support/slow-host.js';

const ROUNDS = 2;

describe.each(testDatabases)('S71 a login that is not finished, on %s', (database) => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({ database, host: SlowHost, options: FEW_CODES });
  });
  afterAll(() => host.close());

  it.each(Object.entries(CHANGES))(
    'leaves no session with a second factor when %s runs before it ends',
    async (_, change) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const user = new Client(host, `in-flight-${(users += 1)}`);
        const enrolled = { ...(await user.enroll()), user };
        const token = await user.login();
        SlowHost.meanwhile = () => change(enrolled, host);
        await user.verify(token, enrolled.authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
        expectSuperseded(user, host);
        host.clock.advance(90);
      }
    },
  );

  it('keeps its session when another user disables MFA before it ends', async () => {
    const [user, other] = [new Client(host, 'undisturbed'), new Client(host, 'other')];
    const { authenticator } = await user.enroll();
    const { backupCodes } = await other.enroll();
    const token = await user.login();
    SlowHost.meanwhile = () => other.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
    await user.verify(token, authenticator.code()).expect(200);
    expect(sessionsWithSecondFactor(user, host)).toHaveLength(2);
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
