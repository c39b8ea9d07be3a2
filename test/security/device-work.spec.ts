import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testDatabases } from '../support/databases.js';
import { DeviceClient, DEVICES } from '../support/device-client.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { PolicyHost, REQUIRED } from '../support/policy-host.js';
import { StatementCounts } from '../support/statement-counts.js';

describe.each(testDatabases)('P10 the statements of trusted devices on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const counts = new StatementCounts();
  const one = database === 'postgres';
  const verified = { status: 200, total: one ? 3 : 6, writing: one ? 2 : 4 };

  async function trusting() {
    const user = new DeviceClient(host, `user-${(users += 1)}`);
    const { authenticator } = await user.enroll();
    const { body } = await user.logIn();
    const proof = { mfa_token: body.mfa_token as string, code: authenticator.code(), rememberDevice: true };
    return { user, grant: () => user.secondStep(proof) };
  }

  beforeAll(async () => {
    host = await startHostApp({
      database,
      ...{ host: PolicyHost, namesAccounts: true, options: DEVICES, dataSource: counts.dataSource },
    });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  it('a login from a trusted browser or app runs two statements, one of which writes', async () => {
    const { user, grant } = await trusting();
    await grant();
    const login = { status: 201, total: 2, writing: 1 };
    for (const policy of [null, { ...REQUIRED, graceSeconds: 60 }]) {
      PolicyHost.policyOf = () => policy;
      // The first sighting of a policy is a statement of its own.
      await user.isTrusted();
      expect(await counts.of(() => user.logIn())).toEqual(login);
    }
    PolicyHost.restore();
    const app = new DeviceClient(host, `user-${(users += 1)}`);
    const { authenticator } = await app.enroll();
    await app.trust(authenticator.code(), 'token');
    const { deviceToken } = host.state.completedLogins.at(-1)!;
    expect(await counts.of(() => app.logIn({ deviceToken }))).toEqual(login);
  });

  it('a login from a device that is not trusted runs one statement, which writes nothing', async () => {
    const { user } = await trusting();
    const read = { status: 201, total: 1, writing: 0 };
    expect(await counts.of(() => user.logIn())).toEqual(read);
    const { user: ended, grant } = await trusting();
    await grant();
    host.state.passwordVersions.set(ended.userId, 'v2');
    expect(await counts.of(() => ended.logIn())).toEqual(read);
  });

  it('trusting a device adds two statements to a verification, and none without rememberDevice', async () => {
    const { grant } = await trusting();
    expect(await counts.of(grant)).toEqual({ ...verified, total: verified.total + 2, writing: verified.writing + 2 });
    const user = new DeviceClient(host, `user-${(users += 1)}`);
    const { authenticator } = await user.enroll();
    const { body } = await user.logIn();
    const plain = { mfa_token: body.mfa_token as string, code: authenticator.code() };
    expect(await counts.of(() => user.secondStep(plain))).toEqual(verified);
  });
});
