import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaAuditService, MfaCleanupService, type MfaAuditEntry, type MfaEventType } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { AuditTrail } from '../../libs/mfa/src/events/audit-trail.js';
import { testDatabases } from '../support/databases.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient, newUser, POLICIES } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { dyingAt } from '../support/dying-database.js';

const AGENT = { actor: { userId: 'agent' }, reason: 'case 4711' };
const admin = ({ host }: EnrollingClient) => host.app.get(MfaAdminService, { strict: false });

/** A change: what it does, and the event that the audit table must hold if it was made. */
interface Change {
  name: string;
  type: MfaEventType;
  /** Whether the event is written before the change, so that it may stay `started`. */
  isStarted?: true;
  /** Brings the user there, and returns the change. */
  prepare: (user: EnrollingClient) => Promise<() => PromiseLike<unknown>>;
  /** Whether the change was made. */
  isMade: (account: Record<string, unknown> | undefined, before: Record<string, unknown> | undefined) => boolean;
}

const stampRose: Change['isMade'] = (account, before) =>
  Number(account!.security_stamp) > Number(before!.security_stamp);

const CHANGES: Change[] = [
  {
    name: 'confirm',
    type: 'mfa.authenticator.confirmed',
    prepare: async (user) => {
      const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const code = new VirtualAuthenticator(body.otpauthUri, user.host.clock).code();
      return () => user.post('/mfa/totp/confirm', { code });
    },
    isMade: (account) => account!.active_ids !== '',
  },
  {
    name: 'remove',
    type: 'mfa.authenticator.removed',
    prepare: async (user) => {
      const { authenticator } = await user.enroll();
      const { id } = await user.enrollAnother(authenticator.code());
      const code = authenticator.code();
      return () => user.post(`/mfa/authenticators/${id}/remove`, { code });
    },
    isMade: stampRose,
  },
  {
    name: 'disable',
    type: 'mfa.disabled',
    prepare: async (user) => {
      const code = (await user.enroll()).authenticator.code();
      return () => user.post('/mfa/disable', { code });
    },
    isMade: stampRose,
  },
  {
    name: 'regenerate',
    type: 'mfa.backup_codes.regenerated',
    prepare: async (user) => {
      const code = (await user.enroll()).authenticator.code();
      return () => user.post('/mfa/backup-codes/regenerate', { code });
    },
    isMade: stampRose,
  },
  {
    name: 'reset',
    type: 'mfa.reset',
    prepare: async (user) => {
      await user.enroll();
      return () => admin(user).reset(user.userId, AGENT);
    },
    isMade: stampRose,
  },
  {
    name: 'a recovery code',
    type: 'mfa.recovery_code.issued',
    prepare: async (user) => {
      await user.enroll();
      return () => admin(user).issueRecoveryCode(user.userId, AGENT);
    },
    isMade: (account) => account!.recovery_hash !== null,
  },
  {
    name: 'recovery',
    type: 'mfa.recovered',
    prepare: async (user) => {
      await user.enroll();
      const { code } = await admin(user).issueRecoveryCode(user.userId, AGENT);
      const proof = { mfa_token: await user.login(), code, method: 'recovery_code' };
      const { mfa_token } = (await user.send('/mfa/verify', proof).expect(200)).body;
      const phone = await user.setupTotpBy(mfa_token);
      return () => user.send('/mfa/totp/confirm', { mfa_token, code: phone.code() });
    },
    isMade: stampRose,
  },
  {
    name: 'invalidate',
    type: 'mfa.invalidated',
    isStarted: true,
    prepare: async (user) => {
      await user.enroll();
      return () => admin(user).invalidate(user.userId, AGENT);
    },
    isMade: stampRose,
  },
  {
    name: 'passwordChanged',
    type: 'mfa.invalidated',
    isStarted: true,
    prepare: async (user) => {
      await user.enroll();
      return () => admin(user).passwordChanged(user.userId, AGENT);
    },
    isMade: stampRose,
  },
  {
    name: 'unlock',
    type: 'mfa.unlocked',
    isStarted: true,
    prepare: async (user) => {
      await user.enroll();
      await user.post('/mfa/step-up', { code: '000000' }).expect(401);
      return () => admin(user).unlock(user.userId, AGENT);
    },
    isMade: (account) => Number(account!.totp_failures) === 0,
  },
  {
    name: 'rename',
    type: 'mfa.authenticator.renamed',
    isStarted: true,
    prepare: async (user) => {
      const { id } = await user.enroll();
      return () => user.patch(`/mfa/authenticators/${id}`, { name: 'Renamed' });
    },
    isMade: (account) => account!.name === 'Renamed',
  },
];

describe.each(testDatabases)('the audit table after a crash on %s', (database) => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    const options = { ...POLICIES.options, audit: {} };
    host = await startHostApp({ ...POLICIES, database, options, override: withQuickHasher });
  });
  afterAll(() => host.close());

  const accountOf = async ({ userId }: { userId: string }) => {
    const rows = await host.dataSource.query(`
      SELECT a.*, t.name FROM mfa_account a LEFT JOIN mfa_authenticator t ON t.user_id = a.user_id
      WHERE a.user_id = '${userId}' ORDER BY t.created_at`);
    return rows[0] as Record<string, unknown> | undefined;
  };
  const entriesOf = (userId: string, type: MfaEventType): Promise<MfaAuditEntry[]> =>
    host.app
      .get(MfaAuditService, { strict: false })
      .list({ userId })
      .then((entries) => entries.filter(({ event }) => event.type === type));
  const settled = () => host.app.get(AuditTrail, { strict: false }).settled();
  const cleanUp = () => host.app.get(MfaCleanupService, { strict: false }).purge();

  it.each(CHANGES)(
    'S121 holds the event of "$name" once if it was made, whatever statement it died at',
    async (change) => {
      let made = 0;
      for (let at = 0; ; at += 1) {
        const user = newUser(host, `user-${(users += 1)}`);
        const act = await change.prepare(user);
        await settled();
        const before = await accountOf(user);
        const entriesBefore = (await entriesOf(user.userId, change.type)).length;
        const died = await dyingAt(at, async () => {
          await Promise.resolve(act()).then(undefined, () => undefined);
          await settled();
        });
        await cleanUp();
        const entries = (await entriesOf(user.userId, change.type)).slice(0, -entriesBefore || undefined);
        if (change.isMade(await accountOf(user), before)) {
          made += 1;
          expect(entries, `died at statement ${at}`).toHaveLength(1);
          expect(entries[0]!.event).toMatchObject({ userId: user.userId, type: change.type, at: expect.any(Date) });
          if (!change.isStarted) expect(entries[0]!.state).toBe('done');
        } else if (change.isStarted) {
          for (const { state } of entries) expect(state, `died at statement ${at}`).toBe('started');
        } else {
          expect(entries, `died at statement ${at}`).toEqual([]);
        }
        if (died) continue;
        expect(entries.map(({ state }) => state)).toEqual(['done']);
        // It died both before and after the change was made.
        expect(made).toBeGreaterThan(1);
        expect(made).toBeLessThan(at + 1);
        return;
      }
    },
  );

  /** A user whose account holds the event of a recovery code, because the process ended before it was copied. */
  async function withLeftOver(): Promise<EnrollingClient> {
    const user = newUser(host, `user-${(users += 1)}`);
    await user.enroll();
    await settled();
    const issue = () => admin(user).issueRecoveryCode(user.userId, AGENT);
    for (let at = 0; at < 20 && (await accountOf(user))!.last_change_id === null; at += 1) {
      await dyingAt(at, () =>
        issue()
          .catch(() => undefined)
          .then(settled),
      );
    }
    expect(await entriesOf(user.userId, 'mfa.recovery_code.issued')).toEqual([]);
    return user;
  }

  it('S121 holds the event of a change after which the process died, once the next change is made', async () => {
    const user = await withLeftOver();
    await admin(user).reset(user.userId, AGENT);
    await settled();
    expect(await entriesOf(user.userId, 'mfa.recovery_code.issued')).toHaveLength(1);
    expect(await entriesOf(user.userId, 'mfa.reset')).toHaveLength(1);
    expect(await accountOf(user)).toMatchObject({ last_change: null, last_change_id: null });
  });

  it('S121 exports an event that only the account holds', async () => {
    const user = await withLeftOver();
    const { events } = await admin(user).exportUser(user.userId);
    expect(events.map(({ type }) => type)).toContain('mfa.recovery_code.issued');
  });

  it('S121 holds no user id after a purge, which can be repeated wherever it died', async () => {
    for (let at = 0; ; at += 1) {
      const user = newUser(host, `user-${(users += 1)}`);
      await user.enroll();
      await settled();
      const purge = () => admin(user).purgeUser(user.userId, AGENT);
      const died = await dyingAt(at, () => purge().catch(() => undefined));
      if (died) {
        const isGone = (await accountOf(user)) === undefined;
        const confirmed = await entriesOf(user.userId, 'mfa.authenticator.confirmed');
        // Once the user id is replaced, the purge has done everything.
        if (isGone && confirmed.length > 0) {
          const states = (await entriesOf(user.userId, 'mfa.user.purged')).map(({ state }) => state);
          expect(states, `died at statement ${at}`).toEqual(['started']);
          const disabled = (await entriesOf(user.userId, 'mfa.disabled')).length;
          expect(disabled, `mfa.disabled at statement ${at}`).toBe(1);
        }
        await purge();
      }
      await settled();
      await cleanUp();
      const rows: object[] = await host.dataSource.query('SELECT * FROM mfa_audit');
      expect(JSON.stringify(rows)).not.toContain(`"${user.userId}"`);
      if (!died) {
        expect(at).toBeGreaterThan(5);
        return;
      }
    }
  });
});
