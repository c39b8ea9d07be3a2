import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaCleanupService, MfaStatusService } from 'nestjs-mfa';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { importMarkerOf } from '../../libs/mfa/src/domain/deterministic-uuid.js';
import { DeviceClient } from '../support/device-client.js';
import { dumpTables, FEW_CODES, PASSWORD, providerNamed, startHostApp, type HostApp } from '../support/host-app.js';
import { MovableUser } from '../support/movable-user.js';
import { PASSKEYS } from '../support/passkey-client.js';
import { EnrollingClient } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST, RESET } from '../support/reset.js';

const BUDGETS = ['totp', 'backup_code', 'password', 'confirmation', 'other', 'recovery_code'];
const COUNTERS = BUDGETS.flatMap((name) => ['failures', 'locked_until', 'daily_tat'].map((part) => `${name}_${part}`));
const SUMMARY = ['locked_until', 'most_failures', 'must_enroll_since'];

describe('moveUser', () => {
  let host: HostApp;
  let admin: MfaAdminService;
  let users = 0;

  beforeAll(async () => {
    const options = {
      ...FEW_CODES,
      ...PASSKEYS,
      trustedDevices: {},
      enrollment: { allowPasswordOnly: true, disableWithPassword: true },
    };
    host = await startHostApp({ options, namesAccounts: true, override: withQuickHasher });
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterAll(() => host.close());

  const newId = (name: string) => `${name}-${(users += 1)}`;
  const rowOf = async (userId: string) => {
    const [row] = await host.dataSource.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`);
    return row as Record<string, unknown>;
  };
  const moved = async () => {
    const user = await MovableUser.create(host);
    await user.move();
    return user;
  };
  const refusal = { code: 'MFA_BAD_REQUEST' };

  it('S102 moves a required enrollment with its time, and only a confirmation under the new id ends it', async () => {
    const [from, to] = [newId('reset'), newId('reset')];
    await new EnrollingClient(host, from).enroll();
    await admin.reset(from, { ...RESET, requireEnrollment: true });
    const since = (await admin.exportUser(from)).mustEnrollSince;
    host.clock.advance(60);
    await admin.moveUser(from, to, BY_TEST);
    expect(since).toBeInstanceOf(Date);
    expect((await admin.exportUser(to)).mustEnrollSince).toEqual(since);
    expect((await admin.exportUser(from)).mustEnrollSince).toBeNull();
    expect((await admin.list({ mustEnroll: true })).users.map(({ userId }) => userId)).toEqual([to]);
    const user = new EnrollingClient(host, to);
    const { confirmed } = await user.enrollTotpBy((await user.mustEnroll()).mfa_token);
    expect(confirmed.status).toBe(200);
    expect((await admin.exportUser(to)).mustEnrollSince).toBeNull();
  });

  it('S104 ends a recovery code under both ids, and a new one works under the new id', async () => {
    const [from, to] = [newId('recovering'), newId('recovering')];
    await new EnrollingClient(host, from).enroll();
    const { code } = await admin.issueRecoveryCode(from, BY_TEST);
    await admin.moveUser(from, to, BY_TEST);
    const recover = async (userId: string, used: string) => {
      const user = new EnrollingClient(host, userId);
      const body = { mfa_token: await user.login(), code: used, method: 'recovery_code' };
      return (await user.send('/mfa/verify', body)).status;
    };
    expect([await recover(from, code), await recover(to, code)]).toEqual([401, 401]);
    expect(await recover(to, (await admin.issueRecoveryCode(to, BY_TEST)).code)).toBe(200);
  });

  it('S50 moves failures, locks and daily caps of every factor exactly, and the lists show the new id', async () => {
    const [from, to] = [newId('locked'), newId('locked')];
    await new EnrollingClient(host, from).enroll();
    const nowMs = host.clock.nowMs();
    const given = COUNTERS.map((name, at) => [name, name.endsWith('failures') ? at + 2 : nowMs + 60_000 * (at + 1)]);
    const locks = given.filter(([name]) => String(name).endsWith('locked_until')).map(([, value]) => Number(value));
    given.push(['locked_until', Math.max(...locks)], ['most_failures', 17]);
    const changes = given.map(([name, value]) => `${name} = ${value}`).join();
    await host.dataSource.query(`UPDATE mfa_account SET ${changes} WHERE user_id = '${from}'`);
    const columns = (row: Record<string, unknown>) =>
      Object.fromEntries([...COUNTERS, ...SUMMARY].map((name) => [name, row[name]]));
    const before = columns(await rowOf(from));
    await admin.moveUser(from, to, BY_TEST);
    expect(columns(await rowOf(to))).toEqual(before);
    expect((await admin.list({ locked: true })).users.map(({ userId }) => userId)).toEqual([to]);
    const user = new EnrollingClient(host, to);
    await user.verify(await user.login(), '000000').expect(429, /MFA_LOCKED/);
  });

  it('moves the marker of an import under the name that an import of the new id looks for', async () => {
    const [from, to] = [newId('imported'), newId('imported')];
    await new EnrollingClient(host, from).enroll();
    const marker = { kind: 'import' as const, spentAtMs: 5, expiresAtMs: null };
    await host.dataSource.query(
      `INSERT INTO mfa_usage (user_id, kind, item, spent_at) VALUES ('${from}', 'import', '${importMarkerOf(from)}', 5)`,
    );
    await admin.moveUser(from, to, BY_TEST);
    const spent = await host.app.get(MfaUsageStore, { strict: false }).list(to);
    expect(spent).toContainEqual({ ...marker, item: importMarkerOf(to) });
  });

  it('keeps the ids of credentials of factors of the host, and gives every authenticator app a new one', async () => {
    const [from, to] = [newId('host-factor'), newId('host-factor')];
    const { id } = await new EnrollingClient(host, from).enroll();
    const own = 'badge:3f0c5b1e-9d5e-4a7f-8e55-2b1d6b1f0a11';
    await host.dataSource.query(
      `UPDATE mfa_account SET active_ids = '${own},totp:${id}', row_version = row_version + 1 WHERE user_id = '${from}'`,
    );
    await admin.moveUser(from, to, BY_TEST);
    const [kept, app, ...more] = String((await rowOf(to)).active_ids).split(',');
    expect([kept, more]).toEqual([own, []]);
    expect(app).toMatch(/^totp:[\da-f-]{36}$/);
    expect(app).not.toBe(`totp:${id}`);
  });

  it('ends every trusted device', async () => {
    const user = await MovableUser.create(host);
    const browser = new DeviceClient(host, user.old.userId);
    expect((await browser.trust(user.code())).status).toBe(200);
    expect(await browser.isTrusted()).toBe(true);
    await user.move();
    expect(await browser.isTrusted()).toBe(false);
    expect(await new DeviceClient(host, user.moved.userId, browser.browser).isTrusted()).toBe(false);
    expect((await admin.exportUser(user.moved.userId)).devices).toEqual([]);
  });

  it('moves when a user without an account was first seen under a policy', async () => {
    const [from, to] = [newId('seen'), newId('seen')];
    await host.dataSource.query(
      `INSERT INTO mfa_policy_seen (user_id, policy_id, first_seen_at) VALUES ('${from}', 'staff', 7)`,
    );
    await admin.moveUser(from, to, BY_TEST);
    const { policies, enabled } = await admin.exportUser(to);
    expect([policies, enabled]).toEqual([[{ policyId: 'staff', firstSeenAt: new Date(7) }], false]);
    expect(await rowOf(to)).toBeUndefined();
  });

  it('refuses a new id with an account of its own, the same id, and a missing actor, and changes nothing', async () => {
    const [from, to] = [newId('refused'), newId('refused')];
    await new EnrollingClient(host, from).enroll();
    await new EnrollingClient(host, to).enroll();
    const before = await dumpTables(host);
    await expect(admin.moveUser(from, to, BY_TEST)).rejects.toMatchObject(refusal);
    await expect(admin.moveUser(from, from, BY_TEST)).rejects.toThrow(TypeError);
    await expect(admin.moveUser(from, newId('refused'), {} as never)).rejects.toThrow(/`actor` must be/);
    expect(await dumpTables(host)).toEqual(before);
  });

  it('changes nothing when a finished move is repeated, and refuses another target', async () => {
    const user = await moved();
    expect(await user.useApp(user.moved)).toBe(200);
    const before = await dumpTables(host);
    await user.move();
    expect(await dumpTables(host)).toEqual(before);
    await expect(admin.moveUser(user.old.userId, newId('elsewhere'), BY_TEST)).rejects.toMatchObject(refusal);
    expect(await dumpTables(host)).toEqual(before);
    await user.expectMoved();
  });

  it('S123 leaves an old id that nothing opens: no reset, recovery code, list, status, export or login', async () => {
    const { old } = await moved();
    await expect(admin.reset(old.userId, { ...RESET, requireEnrollment: true })).rejects.toMatchObject(refusal);
    await expect(admin.reset(old.userId, RESET)).rejects.toMatchObject(refusal);
    await expect(admin.issueRecoveryCode(old.userId, BY_TEST)).rejects.toMatchObject(refusal);
    for (const query of [{ fewCodes: 20 }, { mustEnroll: true }, { locked: true }, { disabled: true }] as const)
      expect((await admin.list(query)).users.map(({ userId }) => userId)).not.toContain(old.userId);
    const status = (await host.app.get(MfaStatusService, { strict: false }).statusOf([old.userId])).get(old.userId);
    expect(status).toMatchObject({ enabled: true, authenticators: [], backupCodes: { remaining: 0 } });
    const nothing = { passkeys: [], devices: [], recoveryCode: null, mustEnrollSince: null };
    expect(await admin.exportUser(old.userId)).toMatchObject(nothing);
    const login = await old.loginAnswer().expect(201);
    expect(login.body).toMatchObject({ mfaRequired: true, methods: [] });
    await old.verify(login.body.mfa_token, '000000').expect(401);
  });

  /** A move that stops before a step: by default, before it gives the passkeys to the new id. */
  async function unfinished(user: MovableUser, step: 'movePasskeys' | 'end' = 'movePasskeys'): Promise<void> {
    const store = providerNamed<Record<typeof step, () => Promise<void>>>(host, 'MfaUserMoveStore');
    const original = store[step];
    store[step] = () => Promise.reject(new Error('the process dies'));
    await expect(user.move()).rejects.toThrow();
    store[step] = original;
  }

  it.each(['movePasskeys', 'end'] as const)('S121 is one event when a repetition goes on with %s', async (step) => {
    const user = await MovableUser.create(host);
    const events = async () => {
      await nextTurn();
      return host.state.events.filter(({ type, userId }) => type === 'mfa.user.moved' && userId === user.moved.userId);
    };
    await unfinished(user, step);
    expect(await events()).toEqual([]);
    await Promise.all([user.move(), user.move()]);
    expect(await events()).toHaveLength(1);
  });

  it('S123 purges neither id of an unfinished move, and lets nothing move on from its new id', async () => {
    const user = await MovableUser.create(host);
    await unfinished(user);
    for (const id of [user.old.userId, user.moved.userId]) {
      await expect(admin.purgeUser(id, BY_TEST)).rejects.toMatchObject(refusal);
    }
    await expect(admin.moveUser(user.moved.userId, newId('further'), BY_TEST)).rejects.toMatchObject(refusal);
    await user.move();
    await user.expectMoved();
    await admin.purgeUser(user.old.userId, BY_TEST);
    await admin.purgeUser(user.moved.userId, BY_TEST);
  });

  it('S123 a purge of the new id before the old one is closed loses nothing when the move is repeated', async () => {
    const user = await MovableUser.create(host);
    const store = providerNamed<{ open: (...given: unknown[]) => Promise<boolean> }>(host, 'MfaUserMoveStore');
    const original = store.open.bind(store);
    store.open = async (...given) => {
      await original(...given);
      throw new Error('the process dies');
    };
    await expect(user.move()).rejects.toThrow();
    store.open = original;
    await admin.purgeUser(user.moved.userId, BY_TEST);
    expect(await user.useApp(user.old)).toBe(200);
    host.clock.advance(30);
    await user.move();
    await user.expectMoved();
  });

  it('S123 a session of the old id changes nothing, not even with the password', async () => {
    const { old } = await moved();
    for (const [path, body] of [
      ['/mfa/disable', { password: PASSWORD }],
      ['/mfa/totp/setup', { password: PASSWORD }],
      ['/mfa/passkeys/setup', { password: PASSWORD }],
    ] as const) {
      expect([path, (await old.post(path, body)).status]).not.toEqual([path, 200]);
    }
    expect((await old.loginAnswer().expect(201)).body).toMatchObject({ mfaRequired: true, methods: [] });
  });

  it('S123 keeps the tombstone and every moved row when the cleanup runs', async () => {
    const user = await moved();
    host.clock.advance(3 * 24 * 60 * 60);
    await host.app.get(MfaCleanupService, { strict: false }).purge();
    expect(await user.isTombstone()).toBe(true);
    await user.expectMoved();
  });
});
