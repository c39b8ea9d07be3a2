import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { AFTER_COMMIT_FAULTS, AfterCommit } from '../support/after-commit.js';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };

describe.each(testDatabases)('a database that fails right after the commit point of a recovery, on %s', (kind) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let afterCommit: AfterCommit;
  let users = 0;
  const newUser = () => new EnrollingClient(host, `failing-${(users += 1)}`);
  const recover = (user: EnrollingClient, mfa_token: string, code: string) =>
    user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });
  const namesOf = ({ userId }: EnrollingClient) =>
    host.state.events.filter((event) => event.userId === userId).map(({ type }) => type);

  beforeAll(async () => {
    host = await startHostApp({ database: kind, ...POLICIES, override: withQuickHasher });
    admin = host.app.get(MfaAdminService, { strict: false });
    afterCommit = new AfterCommit(host);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    PolicyHost.restore();
  });
  afterAll(() => host.close());

  it.each(AFTER_COMMIT_FAULTS)(
    'S79 S102 a reset reaches the host and leads to an enrollment when everything %s',
    async (fault) => {
      const user = newUser();
      await user.enroll();
      const { healed } = afterCommit.fail(fault);
      await admin.reset(user.userId, AGENT);
      healed();
      await afterCommit.expectDelivered('mfa.reset', user);
      await afterCommit.cleanUp();
      const { confirmed } = await user.enrollTotpBy((await user.mustEnroll()).mfa_token);
      expect(confirmed.body.login).toEqual({ accessToken: expect.any(String) as string });
    },
  );

  it.each(AFTER_COMMIT_FAULTS)(
    'S79 S104 an issued code is returned, reported and accepted when everything %s',
    async (fault) => {
      const user = newUser();
      await user.enroll();
      const { healed } = afterCommit.fail(fault);
      const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
      healed();
      expect(namesOf(user)).toContain('mfa.recovery_code.issued');
      await recover(user, await user.login(), code).expect(200);
    },
  );

  it.each(AFTER_COMMIT_FAULTS)(
    'S39 S79 S100 the confirmation of a passkey by a token shows its codes and reaches the host when everything %s',
    async (fault) => {
      PolicyHost.policyOf = () => REQUIRED;
      const user = newUser();
      const { mfa_token } = await user.mustEnroll();
      const key = newKey();
      const setup = await user.send('/mfa/passkeys/setup', { mfa_token }).expect(200);
      const passkey = key.create(setup.body.options);
      const { healed } = afterCommit.fail(fault);
      const { body } = await user.send('/mfa/passkeys/confirm', { mfa_token, passkey }).expect(200);
      healed();
      expect(body.backupCodes).toHaveLength(4);
      expect(body).not.toHaveProperty('login');
      await afterCommit.expectDelivered('mfa.authenticator.confirmed', user);
      expect(namesOf(user)).toContain('mfa.enrollment.completed');
      await afterCommit.cleanUp();
      expect((await user.signInByPasskey(key)).status).toBe(200);
    },
  );

  it.each(AFTER_COMMIT_FAULTS)(
    'S104 a code is spent, opens nothing that is not reported, and the old factor stays required, when everything after the spending %s',
    async (fault) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
      const mfa_token = await user.login();
      const spending = kind === 'postgres' ? [MfaVerificationStore, 'spendAndSettle'] : [MfaUsageStore, 'spend'];
      const { healed } = afterCommit.fail(fault, spending as [unknown, string]);
      const used = await recover(user, mfa_token, code);
      healed();
      // PostgreSQL settles in the statement that spends.
      if (kind === 'postgres') {
        expect([used.status, used.body.enrollmentRequired]).toEqual([200, true]);
        expect(namesOf(user)).toContain('mfa.recovery_code.used');
      } else {
        expect(fault === 'is busy' ? [503] : [401, 500]).toContain(used.status);
        expect(used.body).not.toHaveProperty('mfa_token');
      }
      expect(host.state.completedLogins.some(({ userId }) => userId === user.userId)).toBe(false);
      await recover(user, await user.login(), code).expect(401);
      await user.verify(await user.login(), authenticator.code()).expect(200);
    },
  );
});
