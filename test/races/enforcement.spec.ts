import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaAdminService, type MfaPolicy } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { BetweenStatements } from '../support/between-statements.js';
import { testDatabases } from '../support/databases.js';
import { dumpTables, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { expectOneWinner, inBothOrders } from '../support/race-outcomes.js';
import { sessionsWithSecondFactor } from '../support/slow-host.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };
const GRACE = 7 * 24 * 60 * 60;
const SKEW = 10 * 60;
/** Policies that no longer require the enrollment of an authenticator app. */
const OTHER_POLICIES: (MfaPolicy | null)[] = [
  null,
  { id: 'others', required: true },
  { ...REQUIRED, methods: ['passkey'] },
  { ...REQUIRED, required: false },
];

describe.each(testDatabases)('races of enrollments within logins on %s', (database) => {
  let host: HostApp;
  let between: BetweenStatements;
  let admin: MfaAdminService;
  let users = 0;
  const newUser = () => new EnrollingClient(host, `enroller-${(users += 1)}`);
  const rows = async (table: string, { userId }: EnrollingClient) =>
    (await dumpTables(host))[table]!.filter((row) => (row as { user_id: string }).user_id === userId);
  const loginsOf = ({ userId }: EnrollingClient) =>
    host.state.completedLogins.filter((login) => login.userId === userId);
  /** Read in a new session. */
  const statusOf = async ({ userId }: EnrollingClient) =>
    (await new EnrollingClient(host, userId).get('/mfa/status').expect(200)).body;

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES, override: withQuickHasher });
    between = new BetweenStatements(host);
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  /** One factor, one set of codes, one login, and the token of every loser is dead. */
  async function expectEnrolledOnce(user: EnrollingClient, tokens: string[]): Promise<void> {
    const { enabled, authenticators, backupCodes } = await statusOf(user);
    expect([enabled, authenticators.length, backupCodes.remaining]).toEqual([true, 1, 4]);
    expect(await rows('mfa_backup_code', user)).toHaveLength(4);
    expect(loginsOf(user)).toHaveLength(1);
    expect(sessionsWithSecondFactor(user, host)).toHaveLength(1);
    for (const mfa_token of tokens) {
      const late = await user.send('/mfa/totp/setup', { mfa_token });
      expect([late.status, late.body.code]).toEqual([401, 'MFA_TOKEN_INVALID']);
    }
    expect((await user.loginAnswer()).body).toMatchObject({ mfaRequired: true, methods: expect.any(Array) });
  }

  it.each(['totp and passkey', 'two passkeys', 'two apps'])(
    'S100 S34a of two enrollments of one user by two tokens one enrolls its factor and signs in: %s',
    async (kinds) => {
      PolicyHost.policyOf = () => REQUIRED;
      for (let round = 0; round < 4; round += 1) {
        const user = newUser();
        const tokens = [(await user.mustEnroll()).mfa_token, (await user.mustEnroll()).mfa_token];
        const byApp = async (mfa_token: string) => {
          const code = (await user.setupTotpBy(mfa_token)).code();
          return () => user.send('/mfa/totp/confirm', { mfa_token, code });
        };
        const byKey = async (mfa_token: string) => {
          const { body } = await user.send('/mfa/passkeys/setup', { mfa_token }).expect(200);
          const passkey = newKey().create(body.options);
          return () => user.send('/mfa/passkeys/confirm', { mfa_token, passkey });
        };
        const [first, second] =
          kinds === 'two apps' ? [byApp, byApp] : [kinds === 'two passkeys' ? byKey : byApp, byKey];
        const sends = [await first(tokens[0]!), await second(tokens[1]!)];
        // The setup of a second app replaced that of the first one, which is not found then.
        const winner = expectOneWinner(await inBothOrders(round, sends), [401, 404]);
        expect(winner.body.login).toEqual({ accessToken: expect.any(String) as string });
        expect(winner.body.backupCodes).toHaveLength(4);
        await expectEnrolledOnce(user, tokens);
      }
    },
  );

  it.each(['totp', 'passkey'])(
    'S17 S34 S100 twenty parallel confirmations of a %s by one token give one login and one set of codes',
    async (method) => {
      PolicyHost.policyOf = () => REQUIRED;
      const user = newUser();
      const { mfa_token } = await user.mustEnroll();
      let confirm: () => PromiseLike<Response>;
      if (method === 'totp') {
        const code = (await user.setupTotpBy(mfa_token)).code();
        confirm = () => user.send('/mfa/totp/confirm', { mfa_token, code });
      } else {
        const { body } = await user.send('/mfa/passkeys/setup', { mfa_token }).expect(200);
        const passkey = newKey().create(body.options);
        confirm = () => user.send('/mfa/passkeys/confirm', { mfa_token, passkey });
      }
      const { body } = expectOneWinner(await Promise.all(Array.from({ length: 20 }, confirm)));
      expect(body).toMatchObject({ enabled: true, login: { accessToken: expect.any(String) as string } });
      await expectEnrolledOnce(user, [mfa_token]);
      // The shown set is the live one.
      await user.verify(await user.login(), body.backupCodes[0]).expect(200);
    },
  );

  it('S100 a confirmation obeys the policy that holds when it begins, whenever it changes', async () => {
    const begin = async () => {
      PolicyHost.policyOf = () => REQUIRED;
      const user = newUser();
      const { mfa_token } = await user.mustEnroll();
      const code = (await user.setupTotpBy(mfa_token)).code();
      return { user, mfa_token, confirm: () => user.send('/mfa/totp/confirm', { mfa_token, code }) };
    };
    for (const policy of OTHER_POLICIES) {
      const { user, confirm } = await begin();
      PolicyHost.policyOf = () => policy;
      expect([401, 403]).toContain((await confirm()).status);
      expect(await statusOf(user)).toMatchObject({ enabled: false });
      expect(loginsOf(user)).toEqual([]);
    }
    await between.each(async (at) => {
      const { user, mfa_token, confirm } = await begin();
      let confirmed: Response;
      return {
        act: async () => (confirmed = await confirm()),
        meanwhile: async () => void (PolicyHost.policyOf = () => OTHER_POLICIES[at % OTHER_POLICIES.length] ?? null),
        after: async () => {
          expect(confirmed.status).toBe(200);
          PolicyHost.policyOf = () => REQUIRED;
          await expectEnrolledOnce(user, [mfa_token]);
        },
      };
    });
  });

  it('S100 of a confirmation by a token and one in a session one succeeds', async () => {
    for (let round = 0; round < 6; round += 1) {
      PolicyHost.policyOf = () => REQUIRED;
      const user = newUser();
      const { mfa_token } = await user.mustEnroll();
      const { body } = await user.send('/mfa/passkeys/setup', { mfa_token }).expect(200);
      const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const app = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
      const [code, passkey] = [app.code(), newKey().create(body.options)];
      const answers = await inBothOrders(round, [
        () => user.send('/mfa/passkeys/confirm', { mfa_token, passkey }),
        () => user.post('/mfa/totp/confirm', { code }),
      ]);
      // The setup in the session ends with the passkey, and is not found then.
      const winner = expectOneWinner(answers, [401, 404]);
      const { authenticators } = await statusOf(user);
      expect(authenticators).toMatchObject([{ type: winner === answers[0] ? 'passkey' : 'totp' }]);
      expect(await rows('mfa_backup_code', user)).toHaveLength(4);
      expect(loginsOf(user)).toHaveLength(winner === answers[0] ? 1 : 0);
    }
  });

  it('S101 two instances whose clocks differ by ten minutes name one due date, which is at most that much later', async () => {
    PolicyHost.policyOf = () => ({ ...REQUIRED, graceSeconds: GRACE });
    const other = await startHostApp({ on: host.database, ...POLICIES, dataSource: { migrationsRun: false } });
    other.clock.set(host.clock.nowMs() + SKEW * 1000);
    try {
      for (let round = 0; round < 6; round += 1) {
        const { userId } = newUser();
        const at = [new EnrollingClient(host, userId), new EnrollingClient(other, userId)];
        const logins = at.flatMap((user) => Array.from({ length: 5 }, () => () => user.loginAnswer().expect(201)));
        const answers = await inBothOrders(round, logins);
        const due = new Set(answers.map(({ body }) => Date.parse(body.enrollmentDueAt)));
        expect(due.size).toBe(1);
        const earliest = host.clock.nowMs() + GRACE * 1000;
        expect([earliest, earliest + SKEW * 1000]).toContain([...due][0]);
        expect(await rows('mfa_policy_seen', at[0]!)).toHaveLength(1);
      }
    } finally {
      await other.close();
    }
  });

  it('S102 a reset between any two statements of a confirmation by a token leads to an enrollment', async () => {
    await between.each(async () => {
      PolicyHost.policyOf = () => REQUIRED;
      const user = newUser();
      const { mfa_token } = await user.mustEnroll();
      const app = await user.setupTotpBy(mfa_token);
      let confirmed: Response;
      return {
        act: async () => (confirmed = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() })),
        meanwhile: () => admin.reset(user.userId, AGENT),
        after: async () => {
          expect([200, 401]).toContain(confirmed.status);
          expect(confirmed.body).not.toHaveProperty('login');
          expect(await statusOf(user)).toMatchObject({ enabled: false, authenticators: [] });
          expect(sessionsWithSecondFactor(user, host)).toEqual([]);
          // Not by the policy, but by the reset.
          PolicyHost.policyOf = () => null;
          await user.mustEnroll();
        },
      };
    });
  });

  it('S102 MFA is disabled or required, whenever the policy comes while it is disabled', async () => {
    await between.each(async (at) => {
      PolicyHost.policyOf = () => null;
      const user = newUser();
      const { authenticator } = await user.enroll();
      let disabled: Response;
      return {
        act: async () => (disabled = await user.post('/mfa/disable', { code: authenticator.code() })),
        meanwhile: async () => void (PolicyHost.policyOf = () => REQUIRED),
        after: async () => {
          // The policy is asked once, when the account was read.
          const isOn = at === 0;
          expect(disabled.status).toBe(isOn ? 403 : 200);
          expect((await statusOf(user)).enabled).toBe(isOn);
          expect(sessionsWithSecondFactor(user, host)).toHaveLength(isOn ? 1 : 0);
          const { body } = await user.loginAnswer();
          expect(body.mfaRequired).toBe(true);
          expect(body.enrollmentRequired).toBe(isOn ? undefined : true);
        },
      };
    });
  });

  it('S102 of two parallel removals of the last two allowed factors one succeeds', async () => {
    for (let round = 0; round < 4; round += 1) {
      PolicyHost.policyOf = () => null;
      const user = newUser();
      const { authenticator, backupCodes, id } = await user.enroll();
      const other = await user.enrollAnother(authenticator.code());
      PolicyHost.policyOf = () => REQUIRED;
      const answers = await inBothOrders(
        round,
        [id, other.id].map(
          (each, i) => () => user.post(`/mfa/authenticators/${each}/remove`, { code: backupCodes[i] }),
        ),
      );
      expectOneWinner(answers, [401, 403]);
      expect((await statusOf(user)).authenticators).toHaveLength(1);
    }
  });
});
