import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { SystemRandom } from '../../libs/mfa/src/domain/random.js';
import type { MfaKeyReport } from '../../libs/mfa/src/domain/secrets/key-report.js';
import { KeyRing } from '../../libs/mfa/src/domain/secrets/key-ring.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { TypeOrmAuthenticatorStore, TypeOrmBackupCodeStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { HostFolder } from '../support/command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const newSecret = () => randomBytes(32).toString('base64');
const oldKey = { id: '2026-11', secret: newSecret() };
const newKey = { id: '2027-01', secret: newSecret() };
const environment = (...keys: { id: string; secret: string }[]) => ({
  env: { MFA_KEYS: keys.map(({ id, secret }) => `${id}:${secret}`).join(',') },
});

let host: HostFolder;
beforeAll(() => {
  host = new HostFolder();
});
afterAll(() => host.remove());

/** `count` users with an authenticator and a backup code each, sealed under `key`. */
async function enroll(dataSource: DataSource, key: typeof oldKey, count: number): Promise<void> {
  const box = new SecretBox(new KeyRing([key]), new SystemRandom());
  const totp = { name: 'Phone', algorithm: 'SHA1', digits: 6, periodSeconds: 30, createdAtMs: 1 } as const;
  const rows = Array.from({ length: count }, () => ({ id: randomUUID(), userId: randomUUID() }));
  const codes = rows.map(({ id, userId }) => {
    const hash = box.seal(randomBytes(60), { purpose: 'backup-code', userId, credentialId: id });
    return { id, userId, setId: 'set', hash, usedAtMs: null, expiresAtMs: null };
  });
  await new TypeOrmBackupCodeStore(dataSource).add(codes);
  for (const { id, userId } of rows) {
    const secret = box.seal(randomBytes(20), { purpose: 'totp-secret', userId, credentialId: id });
    await new TypeOrmAuthenticatorStore(dataSource).add({
      ...{ ...totp, id, userId, secret },
      ...{ confirmedAtMs: 1, lastUsedAtMs: null, expiresAtMs: null, setupBinding: null },
    });
  }
}

describe.each(testDatabases)('nestjs-mfa keys on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let file: string;

  beforeEach(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    file = host.writeDataSource(database);
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const keys = (verb: string, env: object, ...more: string[]) => host.run(['keys', verb, '-d', file, ...more], env);
  const secrets = async () =>
    (await dataSource.query('SELECT id, secret FROM mfa_authenticator ORDER BY id')) as {
      id: string;
      secret: string;
    }[];

  it('S62 shows the rows of each key, rotates them, and the old key can go', async () => {
    await enroll(dataSource, oldKey, 25);
    await enroll(dataSource, newKey, 1);
    const both = environment(newKey, oldKey);

    const status = await keys('status', both);
    expect(status).toMatchObject({ code: 0 });
    expect(status.out).toMatch(/2027-01 +1 +1 +writes\n2026-11 +25 +25 +reads\n/);

    const rotated = await keys('rotate', both, '--batch-size', '10');
    expect(rotated).toMatchObject({ code: 0, out: expect.stringContaining('Every row is under the newest key') });
    expect(rotated.err).toContain('rotate 100 % (52 of 52 rows)');
    expect((await secrets()).every(({ secret }) => secret.startsWith('v1.2027-01.'))).toBe(true);

    const verified = await keys('verify', environment(newKey), '--json');
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.out)).toMatchObject({ outdated: 0, unreadable: 0 } satisfies Partial<MfaKeyReport>);
  });

  it('S62 is interrupted by Ctrl-C between two batches, and goes on when it is run again', async () => {
    await enroll(dataSource, oldKey, 150);
    await enroll(dataSource, newKey, 1);
    const both = environment(newKey, oldKey);
    const interrupted = await host.run(['keys', 'rotate', '-d', file, '--batch-size', '1'], {
      ...both,
      // The first pass opens everything; a fifth of the way through the second one, which writes:
      onProgress: (err, interrupt) => {
        if (/100 %[^]* 20 %/.test(err)) interrupt();
      },
    });
    expect(interrupted).toMatchObject({ code: 130, out: expect.stringContaining('Run it again') });
    const halfWay = (await secrets()).filter(({ secret }) => secret.startsWith('v1.2027-01.')).length;
    expect(halfWay).toBeGreaterThan(20);
    expect(halfWay).toBeLessThan(151);
    expect((await keys('verify', both)).code).toBe(0);
    expect((await keys('rotate', both)).code).toBe(0);
    expect((await secrets()).every(({ secret }) => secret.startsWith('v1.2027-01.'))).toBe(true);
  });

  it('S63 does not finish while rows remain under a key that is not given', async () => {
    await enroll(dataSource, { id: 'lost', secret: newSecret() }, 2);
    await enroll(dataSource, oldKey, 2);
    await enroll(dataSource, newKey, 1);
    const before = (await secrets()).filter(({ secret }) => secret.startsWith('v1.lost.'));
    const rotated = await keys('rotate', environment(newKey, oldKey));
    expect(rotated).toMatchObject({ code: 1, out: expect.stringContaining('Not finished: 4 under lost') });
    expect(rotated.out).toContain('key id "lost" is not in the option keys');
    expect((await secrets()).filter(({ secret }) => secret.startsWith('v1.lost.'))).toEqual(before);
    expect((await secrets()).filter(({ secret }) => secret.startsWith('v1.2027-01.'))).toHaveLength(3);
    expect((await keys('verify', environment(newKey, oldKey))).code).toBe(1);
  });

  it('writes nothing with a newest key that is not the application’s', async () => {
    await enroll(dataSource, oldKey, 2);
    const before = await secrets();
    const unproven = await keys('rotate', environment(newKey, oldKey));
    expect(unproven).toMatchObject({ code: 2, err: expect.stringContaining('Deploy the key') });
    await enroll(dataSource, newKey, 1);
    const wrong = await keys('rotate', environment({ ...newKey, secret: newSecret() }, oldKey));
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('do not open') });
    expect((await secrets()).filter(({ secret }) => !secret.startsWith('v1.2027-01.'))).toEqual(before);
    expect(
      (await keys('rotate', environment({ id: 'fresh', secret: newSecret() }, newKey, oldKey), '--first-use')).code,
    ).toBe(0);
  });

  it('lists the rows that a truncated token or a wrong secret of an older key leaves unreadable', async () => {
    await enroll(dataSource, oldKey, 2);
    await enroll(dataSource, newKey, 2);
    const [first] = (await secrets()).filter(({ secret }) => secret.startsWith('v1.2027-01.'));
    await dataSource.query(
      `UPDATE mfa_authenticator SET secret = '${first!.secret.slice(0, 40)}' WHERE id = '${first!.id}'`,
    );
    const report = await keys('verify', environment(newKey, { ...oldKey, secret: newSecret() }));
    expect(report).toMatchObject({ code: 1, out: expect.stringContaining('5 rows do not open') });
    expect(report.out).toContain(first!.id);
    expect(report.out).toContain('(unknown format)');
    expect(report.out).toContain('another secret of the same key id');
  });

  it('names the missing tables and the remedy where they are not there', async () => {
    await dataSource.query('DROP TABLE mfa_usage');
    const { code, err } = await keys('status', environment(newKey));
    expect(code).toBe(2);
    expect(err).toMatch(/"mfa_usage" does not exist.*migration:run/);
    await dataSource.query('CREATE TABLE mfa_usage (id int)');
    expect((await keys('status', environment(newKey))).err).toMatch(/"mfa_usage" lacks a column/);
  });
});

describe('nestjs-mfa', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase('sqlite');
    await (await openMfaDataSource(database)).destroy();
    host.writeDataSource(database, 'ds.mjs');
    host.write('empty.mjs', 'export const nothing = 1;');
    host.write('broken.mjs', 'throw new Error("no database today");');
    host.write('keys.mjs', `export const keys = ${JSON.stringify([newKey, oldKey])};`);
    host.write('keys.cjs', `module.exports = { keys: ${JSON.stringify([newKey])} };`);
    host.write('keys.json', JSON.stringify({ keys: [newKey] }));
    host.write(
      'ds.cjs',
      `const { DataSource } = require('typeorm'); const driver = require('libsql');
      exports.AppDataSource = new DataSource({ type: 'better-sqlite3', driver, database: ${JSON.stringify((database.options as { database: string }).database)} });`,
    );
  });
  afterAll(() => database.drop());

  const good = environment(newKey);
  it.each([
    ['no command', [], {}, /keys <status \| rotate \| verify>/],
    ['an unknown command', ['rekey'], {}, /no command "rekey"/],
    ['no verb', ['keys'], good, /one of status, rotate, verify/],
    ['an unknown verb', ['keys', 'drop', '-d', 'ds.mjs'], good, /one of status, rotate, verify/],
    ['an unknown flag', ['keys', 'status', '--force'], good, /--force/],
    ['no DataSource file', ['keys', 'status'], good, /-d <file>/],
    ['a DataSource file that is not there', ['keys', 'status', '-d', 'x.mjs'], good, /x\.mjs does not exist/],
    [
      'a file that fails',
      ['keys', 'status', '-d', 'broken.mjs'],
      good,
      /broken\.mjs could not be loaded: Error in line 1/,
    ],
    ['a file without a DataSource', ['keys', 'status', '-d', 'empty.mjs'], good, /exactly one TypeORM DataSource/],
    ['no keys', ['keys', 'status', '-d', 'ds.mjs'], {}, /--keys <file>.*MFA_KEYS/],
    ['a keys file without keys', ['keys', 'status', '-d', 'ds.mjs', '-k', 'empty.mjs'], {}, /must export `keys`/],
    ['a short key', ['keys', 'status', '-d', 'ds.mjs'], { env: { MFA_KEYS: 'k1:short' } }, /keys\[0\]\.secret/],
    ['a key without id', ['keys', 'status', '-d', 'ds.mjs'], { env: { MFA_KEYS: newSecret() } }, /keys\[0\]\.id/],
    ['a batch of nothing', ['keys', 'status', '-d', 'ds.mjs', '--batch-size', '0'], good, /batchSize.*1 to 1000/],
  ])('refuses %s, and prints the remedy', async (_, given, options, message) => {
    const { code, out, err } = await host.run(given, options);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(message);
    expect(err).not.toContain(newKey.secret);
    expect(err).not.toMatch(/^\s+at /m);
  });

  it.each([
    ['an ES module', ['-d', 'ds.mjs', '-k', 'keys.mjs']],
    ['CommonJS modules', ['-d', 'ds.cjs', '-k', 'keys.cjs']],
    ['keys in JSON', ['-d', 'ds.mjs', '-k', 'keys.json']],
  ])('takes %s', async (_, files) => {
    expect(await host.run(['keys', 'status', ...files])).toMatchObject({
      code: 0,
      out: expect.stringContaining('writes'),
    });
  });

  it('helps', async () => {
    for (const given of [['--help'], ['help'], ['keys', '--help'], ['keys', 'rotate', '-h']]) {
      expect(await host.run(given)).toMatchObject({ code: 0, out: expect.stringContaining('Exit code') });
    }
  });
});
