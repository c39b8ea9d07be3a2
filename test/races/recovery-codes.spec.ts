import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { testDatabases } from '../support/databases.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { newKey } from '../support/passkey-client.js';
import { newUser as userOf, POLICIES, PolicyHost, type EnrollingClient } from '../support/policy-host.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };

describe.each(testDatabases)('recovery codes on %s', (database) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let users = 0;
  const newUser = () => userOf(host, `user-${(users += 1)}`);
  const recover = (user: EnrollingClient, mfa_token: string, code: string) =>
    user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });
  const recoveryOf = async (user: EnrollingClient) =>
    (await host.app.get(MfaAccountStore, { strict: false }).load(user.userId))?.account.recovery;

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES, override: withQuickHasher });
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterAll(async () => {
    PolicyHost.restore();
    await host.close();
  });

  it('S104 accepts one of 8 parallel uses at 8 tokens, and leaves the budget open', async () => {
    const user = newUser();
    await user.enroll();
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    const tokens: string[] = [];
    for (let login = 0; login < 8; login += 1) tokens.push(await user.login());
    const responses = await Promise.all(tokens.map((mfa_token) => recover(user, mfa_token, code)));
    const statuses = responses.map(({ status }) => status).sort();
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    for (const status of statuses.slice(1)) expect([401, 429]).toContain(status);
    const again = await admin.issueRecoveryCode(user.userId, AGENT);
    await recover(user, await user.login(), again.code).expect(200);
  });

  it('S104 authorizes one of 8 parallel enrollments after a reset', async () => {
    const user = newUser();
    await user.enroll();
    await admin.reset(user.userId, AGENT);
    PolicyHost.authorizes = () => false;
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    const tokens: string[] = [];
    for (let login = 0; login < 8; login += 1) tokens.push((await user.mustEnroll()).mfa_token);
    const setups = tokens.map((mfa_token) =>
      user.send('/mfa/passkeys/setup', { mfa_token, code, method: 'recovery_code' }),
    );
    const statuses = (await Promise.all(setups)).map(({ status }) => status).sort();
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    for (const status of statuses.slice(1)) expect([401, 429]).toContain(status);
    PolicyHost.restore();
  });

  it('S104 ends with every accepted proof: a passkey at a login, a step-up and a change, and a code', async () => {
    const user = newUser();
    const key = newKey();
    const { backupCodes = [] } = await user.addPasskey(key, { password: PASSWORD });
    const isEndedBy = async (name: string, prove: () => PromiseLike<{ status: number }>) => {
      await admin.issueRecoveryCode(user.userId, AGENT);
      expect(await recoveryOf(user), name).not.toBeNull();
      expect((await prove()).status, name).toBe(200);
      expect(await recoveryOf(user), name).toBeNull();
    };
    await isEndedBy('login', () => user.signInByPasskey(key));
    await isEndedBy('step-up', async () => user.post('/mfa/step-up', { passkey: await user.prove(key, 'step-up') }));
    await isEndedBy('regenerate', async () => {
      const passkey = await user.prove(key);
      return user.post('/mfa/backup-codes/regenerate', { passkey });
    });
    const { body } = await user.post('/mfa/backup-codes/regenerate', { passkey: await user.prove(key) }).expect(200);
    expect(body.backupCodes).not.toEqual(backupCodes);
    await isEndedBy('backup code', async () => user.verify(await user.login(), body.backupCodes[0]));
    await isEndedBy('disable', async () => user.post('/mfa/disable', { passkey: await user.prove(key) }));
  });

  it('S104 leaves one set of factors where a recovery meets a login, a removal and another recovery', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const tokens: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
      tokens.push((await recover(user, await user.login(), code).expect(200)).body.mfa_token);
    }
    const [app, key] = [await user.setupTotpBy(tokens[0]!), newKey()];
    const setup = await user.send('/mfa/passkeys/setup', { mfa_token: tokens[1] }).expect(200);
    const login = await user.login();
    const responses = await Promise.all([
      user.send('/mfa/totp/confirm', { mfa_token: tokens[0], code: app.code() }),
      user.send('/mfa/passkeys/confirm', { mfa_token: tokens[1], passkey: key.create(setup.body.options) }),
      user.verify(login, authenticator.code()),
    ]);
    const [byApp, byKey, byOld] = responses.map(({ status }) => status);
    expect([byApp, byKey].filter((status) => status === 200)).toHaveLength(1);
    expect([200, 401]).toContain(byOld);
    const { account } = (await host.app.get(MfaAccountStore, { strict: false }).load(user.userId))!;
    expect(account.activeFactors.map(({ type }) => type)).toEqual([byApp === 200 ? 'totp' : 'passkey']);
    host.clock.advance(30);
    await user.verify(await user.login(), authenticator.code()).expect(401);
  });
});
