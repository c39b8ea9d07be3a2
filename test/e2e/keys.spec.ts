import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MfaKeyService, type MfaOptions } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { createDatabase, type TestDatabase, testDatabases } from '../support/databases.js';
import { FEW_CODES, providerNamed, startHostApp, TEST_KEY, type HostApp } from '../support/host-app.js';

const NEW_KEY = { id: 'k2', secret: randomBytes(32).toString('base64') };

interface SealedRow {
  id: string;
  user_id: string;
  sealed: string;
}

async function sealedRows({ dataSource }: HostApp, userId?: string): Promise<SealedRow[]> {
  const rows: SealedRow[] = await dataSource.query(
    'SELECT id, user_id, secret AS sealed FROM mfa_authenticator UNION ALL SELECT id, user_id, hash FROM mfa_backup_code',
  );
  return rows.filter(({ user_id }) => userId === undefined || user_id === userId);
}

const keyIds = (rows: readonly SealedRow[]) => [...new Set(rows.map(({ sealed }) => sealed.split('.')[1]))].toSorted();

describe.each(testDatabases)('a new key on %s', (kind) => {
  let database: TestDatabase;
  const apps: HostApp[] = [];
  /** One more instance of the application on the same database. */
  async function start(options: Partial<MfaOptions>): Promise<HostApp> {
    const app = await startHostApp({ on: database, options: { ...FEW_CODES, ...options } });
    apps.push(app);
    return app;
  }
  beforeEach(async () => {
    database = await createDatabase(kind);
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await database.drop();
  });

  it('S62 re-encrypts a used authenticator, and the whole set of a used backup code', async () => {
    const before = await start({ keys: [TEST_KEY] });
    const user = new Client(before, 'ada');
    const { backupCodes, authenticator } = await user.enroll();
    const tokenOfOldKey = await user.login();

    const after = await start({ keys: [NEW_KEY, TEST_KEY] });
    after.clock.set(before.clock.nowMs());
    const moved = new Client(after, 'ada');
    await moved.verify(tokenOfOldKey, authenticator.code()).expect(200);
    const afterTotp = await sealedRows(after);
    expect(afterTotp.filter(({ sealed }) => sealed.startsWith('v1.k2.'))).toHaveLength(1);

    await moved.verify(await moved.login(), backupCodes[0]).expect(200);
    expect(keyIds(await sealedRows(after))).toEqual(['k2']);
    await moved.verify(await moved.login(), backupCodes[1]).expect(200);
    await moved.verify(await moved.login(), backupCodes[0]).expect(401);

    const later = await start({ keys: [NEW_KEY] });
    later.clock.set(before.clock.nowMs() + 30_000);
    const last = new Client(later, 'ada');
    await last.verify(await last.login(), authenticator.code(1)).expect(200);
    await last.verify(await last.login(), backupCodes[2]).expect(200);
  });

  it('S62 a re-encryption that fails does not fail the login', async () => {
    const before = await start({ keys: [TEST_KEY] });
    const { authenticator } = await new Client(before, 'ada').enroll();
    const after = await start({ keys: [NEW_KEY, TEST_KEY] });
    after.clock.set(before.clock.nowMs());
    providerNamed<{ replace: unknown }>(after, 'MfaSealedValueStore').replace = async () => {
      throw new Error('no more today');
    };
    const user = new Client(after, 'ada');
    await user.verify(await user.login(), authenticator.code()).expect(200);
    expect(keyIds(await sealedRows(after))).toEqual(['k1']);
  });

  it('S62 loses nothing when verifications, enrollments and rotation run at the same time', async () => {
    const before = await start({ keys: [TEST_KEY] });
    const users = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const user = new Client(before, `user-${index}`);
        const setup = await user.post('/mfa/totp/setup', { password: 'correct horse battery staple' }).expect(200);
        const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, before.clock);
        const { body } = await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
        return { userId: user.userId, authenticator, backupCodes: body.backupCodes as string[] };
      }),
    );
    const after = await start({ keys: [NEW_KEY, TEST_KEY] });
    after.clock.set(before.clock.nowMs() + 30_000);
    before.clock.advance(30);
    const rotating = after.app.get(MfaKeyService, { strict: false }).rotate({ batchSize: 3 });
    const logins = users.map(async ({ userId, authenticator, backupCodes }, index) => {
      const user = new Client(after, userId);
      await user.verify(await user.login(), authenticator.code()).expect(200);
      await user.verify(await user.login(), backupCodes[0]).expect(200);
      if (index % 4 > 0) return;
      // Enrolled again: the row that the rotation may have read is gone, and another one is there.
      await user.post('/mfa/disable', { code: backupCodes[1]! }).expect(200);
      await user.enroll();
    });
    await Promise.all(logins);
    const report = await rotating;
    expect(report).toMatchObject({ unreadable: 0, interrupted: false });
    expect(await after.app.get(MfaKeyService, { strict: false }).rotate()).toMatchObject({
      outdated: 0,
      unreadable: 0,
    });
    expect(keyIds(await sealedRows(after))).toEqual(['k2']);

    const later = await start({ keys: [NEW_KEY] });
    expect(await later.app.get(MfaKeyService, { strict: false }).verify()).toMatchObject({ unreadable: 0 });
    later.clock.set(after.clock.nowMs() + 30_000);
    after.clock.advance(30);
    before.clock.set(after.clock.nowMs());
    for (const [index, { userId, authenticator, backupCodes }] of users.entries()) {
      if (index % 4 === 0) continue;
      const user = new Client(later, userId);
      await user.verify(await user.login(), authenticator.code()).expect(200);
      await user.verify(await user.login(), backupCodes[2]).expect(200);
    }
  });
});

describe('Fernet tokens in the table', () => {
  const [vector] = JSON.parse(readFileSync(new URL('../fixtures/fernet/python.json', import.meta.url), 'utf8')) as [
    Record<'secretKey' | 'token' | 'secret', string>,
  ];
  const uri = `otpauth://totp/x?secret=${vector.secret}`;
  let database: TestDatabase;
  let plain: HostApp;
  let reading: HostApp;
  beforeAll(async () => {
    database = await createDatabase('sqlite');
    plain = await startHostApp({ on: database, options: FEW_CODES });
    const until = new Date(plain.clock.nowMs() + 3_600_000);
    const fernet = { keys: [{ secretKey: 'an older one' }, { secretKey: vector.secretKey }], until };
    reading = await startHostApp({ on: database, options: { ...FEW_CODES, fernet } });
  });
  afterAll(async () => {
    await plain.close();
    await reading.close();
    await database.drop();
  });

  /** A user whose secret another service stored, as `INSERT … SELECT` would bring it over. */
  async function imported(userId: string) {
    const { id, backupCodes } = await new Client(plain, userId).enroll();
    await plain.dataSource.query(`UPDATE mfa_authenticator SET secret = '${vector.token}' WHERE id = '${id}'`);
    reading.clock.set(plain.clock.nowMs());
    return {
      user: new Client(reading, userId),
      authenticator: new VirtualAuthenticator(uri, reading.clock),
      backupCodes,
    };
  }

  it('S10 are refused by default, and MFA stays required', async () => {
    const { authenticator } = await imported('ada');
    const user = new Client(plain, 'ada');
    const token = await user.login();
    expect(token).toEqual(expect.any(String));
    await user.verify(token, authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
  });

  it('S9 verify where the option allows them, and are re-encrypted at their first use', async () => {
    const { user, authenticator } = await imported('grace');
    await user.verify(await user.login(), authenticator.code()).expect(200);
    const rows = await sealedRows(plain, 'grace');
    expect(rows.every(({ sealed }) => sealed.startsWith('v1.k1.'))).toBe(true);
    const later = new Client(plain, 'grace');
    plain.clock.set(reading.clock.nowMs() + 30_000);
    reading.clock.set(plain.clock.nowMs());
    await later.verify(await later.login(), authenticator.code()).expect(200);
  });

  it('S10 are refused after the cut-off, and a backup code still signs in', async () => {
    const { user, authenticator, backupCodes } = await imported('edsger');
    reading.clock.set(reading.clock.nowMs() + 3_600_000);
    await user.verify(await user.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
  });

  it('S9 are converted by a rotation when nobody used them', async () => {
    await imported('alan');
    const keys = reading.app.get(MfaKeyService, { strict: false });
    reading.clock.set(plain.clock.nowMs());
    expect((await keys.status()).keys).toContainEqual(expect.objectContaining({ format: 'fernet', authenticators: 3 }));
    expect(await keys.rotate()).toMatchObject({ outdated: 0, unreadable: 0 });
  });
});
