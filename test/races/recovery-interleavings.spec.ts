import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaAdminService } from 'nestjs-mfa';
import { BetweenStatements } from '../support/between-statements.js';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, POLICIES, PolicyHost } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { expectOneWinner } from '../support/race-outcomes.js';
import { sessionsWithSecondFactor } from '../support/slow-host.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };

describe.each(testDatabases)('interleavings of recoveries on %s', (database) => {
  let host: HostApp;
  let between: BetweenStatements;
  let admin: MfaAdminService;
  let users = 0;
  const recover = (user: EnrollingClient, mfa_token: string, code: string) =>
    user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });
  const statusOf = async ({ userId }: EnrollingClient) =>
    (await new EnrollingClient(host, userId).get('/mfa/status').expect(200)).body;
  const typesOf = async (user: EnrollingClient) =>
    (await statusOf(user)).authenticators.map(({ type }: { type: string }) => type) as string[];

  beforeAll(async () => {
    host = await startHostApp({ database, ...POLICIES, override: withQuickHasher });
    between = new BetweenStatements(host);
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  /** The owner of an authenticator app, for whom a recovery code was issued. */
  async function withCode() {
    const user = new EnrollingClient(host, `recovering-${(users += 1)}`);
    const enrolled = await user.enroll();
    const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
    return { user, code, ...enrolled };
  }

  /** The same after the code was used, with a passkey that replaces the app once it is confirmed. */
  async function recovering() {
    const { user, code, ...enrolled } = await withCode();
    const { body } = await recover(user, await user.login(), code).expect(200);
    const { mfa_token } = body;
    const key = newKey();
    const setup = await user.send('/mfa/passkeys/setup', { mfa_token }).expect(200);
    const passkey = key.create(setup.body.options);
    return { user, key, ...enrolled, confirm: () => user.send('/mfa/passkeys/confirm', { mfa_token, passkey }) };
  }

  it.each(['one mfa_token', 'fifty mfa_tokens'])(
    'S104 one of fifty parallel uses of one code by %s leads to an enrollment, and none to a session',
    async (kind) => {
      const { user, code, authenticator } = await withCode();
      const one = await user.login();
      const tokens = await Promise.all(
        Array.from({ length: 50 }, async () => (kind === 'one mfa_token' ? one : user.login())),
      );
      const before = host.state.completedLogins.length;
      const { body } = expectOneWinner(await Promise.all(tokens.map((token) => recover(user, token, code))));
      expect(body).toMatchObject({ enrollmentRequired: true, mfa_token: expect.any(String) as string });
      expect(host.state.completedLogins).toHaveLength(before);
      // What the parallel uses cost locks nobody out of the old factor.
      await user.verify(await user.login(), authenticator.code()).expect(200);
    },
  );

  it('S34 S104 one mfa_token with a recovery code and a code of the app at once gives a session or an enrollment', async () => {
    for (let round = 0; round < 4; round += 1) {
      const { user, code, authenticator } = await withCode();
      const mfa_token = await user.login();
      const sends = [() => recover(user, mfa_token, code), () => user.verify(mfa_token, authenticator.code())];
      const turn = round % 2 === 0 ? sends : sends.toReversed();
      const { body } = expectOneWinner(await Promise.all(turn.map((send) => send())));
      expect('accessToken' in body).not.toBe(body.enrollmentRequired === true);
      const logins = host.state.completedLogins.filter(({ userId }) => userId === user.userId);
      expect(logins).toHaveLength('accessToken' in body ? 1 : 0);
      expect(await typesOf(user)).toEqual(['totp']);
    }
  });

  it('S104 a code is accepted or ended, wherever a normal login comes between two statements of its use', async () => {
    await between.each(async () => {
      const { user, code, authenticator } = await withCode();
      const [mfa_token, other] = [await user.login(), await user.login()];
      let used: Response;
      return {
        act: async () => (used = await recover(user, mfa_token, code)),
        meanwhile: () => user.verify(other, authenticator.code()).expect(200),
        after: async () => {
          expect([200, 401]).toContain(used.status);
          expect((await recover(user, await user.login(), code)).status).toBe(401);
          // Only a confirmation replaces the old factor.
          expect(await typesOf(user)).toEqual(['totp']);
          if (used.status === 401) return;
          const confirmed = await user.enrollPasskeyBy(used.body.mfa_token, newKey());
          expect(confirmed.body.login).toEqual({ accessToken: expect.any(String) as string });
          expect(await typesOf(user)).toEqual(['passkey']);
        },
      };
    });
  });

  it('S104 the user has one way in, wherever a new code is issued between two statements of the use of the old one', async () => {
    await between.each(async () => {
      const { user, code } = await withCode();
      const mfa_token = await user.login();
      let used: Response;
      let fresh: string;
      return {
        act: async () => (used = await recover(user, mfa_token, code)),
        meanwhile: async () => void (fresh = (await admin.issueRecoveryCode(user.userId, AGENT)).code),
        after: async () => {
          expect([200, 401]).toContain(used.status);
          await recover(user, await user.login(), code).expect(401);
          if (used.status === 401) used = await recover(user, await user.login(), fresh).expect(200);
          const confirmed = await user.enrollPasskeyBy(used.body.mfa_token, newKey());
          expect(confirmed.status).toBe(200);
          expect(await typesOf(user)).toEqual(['passkey']);
          // The confirmation ended whatever was left.
          await recover(user, await user.login(), fresh).expect(401);
        },
      };
    });
  });

  it('S71 S102 a reset between any two statements of a verification leaves no session with a second factor', async () => {
    await between.each(async () => {
      const user = new EnrollingClient(host, `recovering-${(users += 1)}`);
      const { authenticator } = await user.enroll();
      const mfa_token = await user.login();
      let verified: Response;
      return {
        act: async () => (verified = await user.verify(mfa_token, authenticator.code())),
        meanwhile: () => admin.reset(user.userId, AGENT),
        after: async () => {
          // Before its last statement, which reads the account again.
          expect(verified.status).toBe(401);
          expect(sessionsWithSecondFactor(user, host)).toEqual([]);
          expect(await statusOf(user)).toMatchObject({ enabled: false, authenticators: [] });
          await user.mustEnroll();
        },
      };
    });
  });

  it('S104 a removal of the old factor between any two statements of a recovery ends one of the two', async () => {
    await between.each(async () => {
      const { user, key, id, backupCodes, confirm } = await recovering();
      let confirmed: Response;
      let removed: Response;
      return {
        act: async () => (confirmed = await confirm()),
        meanwhile: async () => {
          removed = await user.post(`/mfa/authenticators/${id}/remove`, { code: backupCodes[0] });
        },
        after: async () => {
          // Once the new factor counts, there is no old one to remove.
          expectOneWinner([confirmed, removed], [401, 404]);
          expect(await typesOf(user)).toEqual(confirmed.status === 200 ? ['passkey'] : []);
          expect(confirmed.body.login !== undefined).toBe(confirmed.status === 200);
          if (confirmed.status === 200) expect((await user.signInByPasskey(key)).status).toBe(200);
        },
      };
    });
  });

  it('S71 S104 a recovery between any two statements of a step-up by the old factor leaves only the new factor', async () => {
    await between.each(async () => {
      const { user, key, authenticator, confirm } = await recovering();
      const old = new EnrollingClient(host, user.userId);
      let steppedUp: Response;
      let confirmed: Response;
      return {
        act: async () => (steppedUp = await old.post('/mfa/step-up', { code: authenticator.code() })),
        meanwhile: async () => void (confirmed = await confirm()),
        after: async () => {
          // A step-up never undoes a recovery, and ends with the sessions of the user.
          expect([confirmed.status, steppedUp.status]).toEqual([200, 401]);
          expect(host.state.revocations).toContain(`mfa.recovered ${user.userId}`);
          await old.get('/transfers').expect(401);
          expect(await typesOf(user)).toEqual(['passkey']);
          expect((await user.signInByPasskey(key)).status).toBe(200);
        },
      };
    });
  });
});
