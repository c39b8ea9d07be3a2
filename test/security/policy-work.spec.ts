import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, type MfaPolicy } from 'nestjs-mfa';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { type StatementCount, StatementCounts } from '../support/statement-counts.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };

describe.each(testDatabases)('P10 the statements of policies and recovery codes on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const counts = new StatementCounts();
  const one = database === 'postgres';
  const newUser = () => new EnrollingClient(host, `user-${(users += 1)}`);
  /** With the read after `completeLogin`. */
  const right = one ? { total: 3, writing: 2 } : { total: 6, writing: 4 };
  const wrong = { status: 401, total: one ? 1 : 2, writing: 1 };

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES, dataSource: counts.dataSource });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  it('S101 issue() with an account runs one statement that writes nothing, and one more for the first sighting', async () => {
    const user = newUser();
    await user.enroll();
    const first = { status: 201, total: 2, writing: 1 };
    const read = { status: 201, total: 1, writing: 0 };
    await expectLogins(user, null, [read, read]);
    await expectLogins(user, { ...REQUIRED, required: false }, [read, read]);
    await expectLogins(user, { ...REQUIRED, graceSeconds: 60 }, [first, read, read]);
  });

  it('S101 issue() without an account writes nothing but the first sighting, and opens the account once', async () => {
    const user = newUser();
    const read = { status: 201, total: 1, writing: 0 };
    const reads = { ...read, total: 2 };
    await expectLogins(user, null, [read, read]);
    await expectLogins(user, { ...REQUIRED, required: false }, [read, read]);
    const first = { status: 201, total: 3, writing: 1 };
    await expectLogins(user, { ...REQUIRED, graceSeconds: 60 }, [first, reads, reads]);
    const opened = { status: 201, total: 5, writing: 1 };
    await expectLogins(user, REQUIRED, [opened, read, read]);
  });

  it('S104 a verification runs the same statements with a policy, and with a recovery code that it ends', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const steps = [
      async () => void (PolicyHost.policyOf = () => null),
      async () => void (PolicyHost.policyOf = () => ({ ...REQUIRED, methods: ['totp'], graceSeconds: 60 })),
      async () => void (await admin().issueRecoveryCode(user.userId, AGENT)),
    ];
    for (const prepare of steps) {
      await prepare();
      const tokens = [await user.login(), await user.login()];
      expect(await counts.of(() => user.verify(tokens[0], '000000'))).toEqual(wrong);
      expect(await counts.of(() => user.verify(tokens[1], authenticator.code()))).toEqual({ status: 200, ...right });
      host.clock.advance(30);
    }
    expect((await admin().exportUser(user.userId)).recoveryCode).toBeNull();
  });

  it('S104 a recovery code runs the statements of a verification without the time of use and the session, and a wrong one a read more', async () => {
    const user = newUser();
    await user.enroll();
    const { code } = await admin().issueRecoveryCode(user.userId, AGENT);
    const [mfa_token, other] = [await user.login(), await user.login()];
    const recover = (token: string, given: string) =>
      counts.of(() => user.send('/mfa/verify', { mfa_token: token, code: given, method: 'recovery_code' }));
    // A code that is not the live one is looked up among the spent ones (S70).
    expect(await recover(other, 'AAAA-BBBB-CCCC-DDDD')).toEqual({ ...wrong, total: wrong.total + 1 });
    expect(await recover(mfa_token, code)).toEqual({ status: 200, total: one ? 2 : 4, writing: one ? 2 : 3 });
  });

  it('S100 a setup by a token, its repetition, and the confirmation that signs in', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const setUp = () => counts.of(() => user.send('/mfa/totp/setup', { mfa_token }));
    expect(await setUp()).toEqual({ status: 200, total: 7, writing: 3 });
    expect(await setUp()).toEqual({ status: 200, total: 3, writing: 0 });
    const code = (await user.setupTotpBy(mfa_token)).code();
    const confirmed = await counts.of(() => user.send('/mfa/totp/confirm', { mfa_token, code }));
    expect(confirmed).toEqual({ status: 200, total: 13, writing: 9 });
  });

  /** One login after another under this policy. */
  async function expectLogins(user: EnrollingClient, policy: MfaPolicy | null, expected: StatementCount[]) {
    PolicyHost.policyOf = () => policy;
    const counted: StatementCount[] = [];
    while (counted.length < expected.length) counted.push(await counts.of(() => user.loginAnswer()));
    expect(counted).toEqual(expected);
  }

  const admin = () => host.app.get(MfaAdminService, { strict: false });
});
