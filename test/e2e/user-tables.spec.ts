import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MFA_ENTITIES, MfaAdminService, type MfaUserExport } from 'nestjs-mfa';
import { testDatabases } from '../support/databases.js';
import { DeviceClient, DEVICES } from '../support/device-client.js';
import { dumpTables, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PASSKEYS } from '../support/passkey-client.js';
import { PolicyHost, REQUIRED } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST } from '../support/reset.js';

/** What becomes of the rows of one user in one table. `purgeUser` removes every row. */
interface Expectation {
  /** What shows the rows in the result of `exportUser`. */
  exported: (all: MfaUserExport) => unknown[];
  /** `copied` = both ids have the rows, `taken` = only the new id has them, `ended` = none of the two. */
  moved: 'copied' | 'taken' | 'ended';
  disabled: 'kept' | 'removed';
}

const EXPECTED: Record<string, Expectation> = {
  mfa_account: { exported: ({ attempts }) => attempts, moved: 'copied', disabled: 'kept' },
  // The events of the past stay at the old id, which a purge replaces. The new id has that of the move.
  mfa_audit: { exported: ({ events }) => events, moved: 'copied', disabled: 'kept' },
  mfa_authenticator: { exported: ({ authenticators }) => authenticators, moved: 'copied', disabled: 'removed' },
  mfa_backup_code: { exported: ({ backupCodes }) => backupCodes.usedAt, moved: 'copied', disabled: 'removed' },
  mfa_device: { exported: ({ devices }) => devices, moved: 'ended', disabled: 'removed' },
  mfa_passkey: { exported: ({ passkeys }) => passkeys, moved: 'taken', disabled: 'removed' },
  // Users who disable MFA get no new grace.
  mfa_policy_seen: { exported: ({ policies }) => policies, moved: 'copied', disabled: 'kept' },

  // What is spent stays spent.
  mfa_usage: { exported: ({ uses }) => uses, moved: 'copied', disabled: 'kept' },
};

describe.each(testDatabases)('every table with rows of users, on %s', (database) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let tables: string[];
  let users = 0;

  beforeAll(async () => {
    const options = { ...DEVICES, ...PASSKEYS, audit: {} };
    host = await startHostApp({ database, host: PolicyHost, namesAccounts: true, options, override: withQuickHasher });
    admin = host.app.get(MfaAdminService, { strict: false });
    tables = MFA_ENTITIES.map((entity) => host.dataSource.getMetadata(entity))
      .filter(({ columns }) => columns.some(({ databaseName }) => databaseName === 'user_id'))
      .map(({ tableName }) => tableName);
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  /** The number of rows of a user in each table. */
  async function rowsOf(userId: string): Promise<Record<string, number>> {
    const all = await dumpTables(host);
    const own = (table: string) => all[table]!.filter((row) => (row as { user_id: string }).user_id === userId);
    // Events are written in the background, so only their presence is compared.
    const counted = (table: string) => (table === 'mfa_audit' ? Math.min(own(table).length, 1) : own(table).length);
    return Object.fromEntries(tables.map((table) => [table, counted(table)]));
  }

  const each = (value: (table: string) => unknown) => Object.fromEntries(tables.map((table) => [table, value(table)]));

  /** A user with rows in every table. */
  async function filled() {
    const user = new DeviceClient(host, `owner-${(users += 1)}`);
    PolicyHost.policyOf = () => ({ ...REQUIRED, graceSeconds: 3_600 });
    await user.loginAnswer().expect(201);
    PolicyHost.restore();
    const { authenticator, backupCodes } = await user.enroll();
    await user.addPasskey(newKey(), { code: authenticator.code() });
    host.clock.advance(30);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    expect((await user.trust(authenticator.code())).status).toBe(200);
    host.clock.advance(30);
    await user.verify(await user.login(), '000000').expect(401);
    const before = await rowsOf(user.userId);
    expect(
      tables.filter((table) => !before[table]),
      'tables without a row',
    ).toEqual([]);
    return { user, userId: user.userId, backupCodes, before };
  }

  it('has an expectation here', () => {
    expect(tables.toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
  });

  it('is emptied of the user by purgeUser, and of nobody else', async () => {
    const [{ userId }, other] = [await filled(), await filled()];
    await admin.purgeUser(userId, BY_TEST);
    expect(await rowsOf(userId)).toEqual(each(() => 0));
    expect(await rowsOf(other.userId)).toEqual(other.before);
  });

  it('is in the result of exportUser', async () => {
    const { userId } = await filled();
    const exported = await admin.exportUser(userId);
    expect(each((table) => EXPECTED[table]?.exported(exported).length)).toEqual(
      each(() => expect.toSatisfy((shown: number) => shown > 0)),
    );
  });

  it('is copied, taken or ended by moveUser, and nobody else is moved', async () => {
    const [{ userId, before }, other] = [await filled(), await filled()];
    const newId = `${userId}-moved`;
    await admin.moveUser(userId, newId, BY_TEST);
    const isMoved = (table: string, ...kinds: unknown[]) => kinds.includes(EXPECTED[table]?.moved);
    expect(await rowsOf(userId)).toEqual(each((table) => (isMoved(table, 'copied') ? before[table] : 0)));
    expect(await rowsOf(newId)).toEqual(each((table) => (isMoved(table, 'copied', 'taken') ? before[table] : 0)));
    expect(await rowsOf(other.userId)).toEqual(other.before);
    await admin.purgeUser(userId, BY_TEST);
    expect(await rowsOf(userId)).toEqual(each(() => 0));
  });

  it('is kept or emptied of the user when MFA is disabled', async () => {
    const [{ user, userId, backupCodes }, other] = [await filled(), await filled()];
    await user.post('/mfa/disable', { code: backupCodes[1] }).expect(200);
    const left = await rowsOf(userId);
    expect(each((table) => (left[table]! > 0 ? 'kept' : 'removed'))).toEqual(
      each((table) => EXPECTED[table]?.disabled),
    );
    expect(await rowsOf(other.userId)).toEqual(other.before);
  });
});
