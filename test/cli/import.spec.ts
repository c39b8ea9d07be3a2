import { createCipheriv, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import CryptoJS from 'crypto-js';
import { authenticator } from 'otplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import type { MfaImportReport } from '../../libs/mfa/src/import/import-report.js';
import { SystemRandom } from '../../libs/mfa/src/domain/random.js';
import { KeyRing } from '../../libs/mfa/src/domain/secrets/key-ring.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { TypeOrmAccountStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { codeFiles, read } from '../docs/markdown.js';
import {
  createPythonTables,
  createTable,
  execute,
  formerly,
  pythonUser,
  service,
  type Value,
} from '../import/source-tables.js';
import { HostFolder } from '../support/command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const PAGE = read('docs/guides/migrating.md');
const plans = codeFiles(PAGE, 'js');
const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text);
/** Every command of the page, in order. */
const commands = blocks('sh')
  .join('')
  .split('\n')
  .filter((line) => line.startsWith('npx nestjs-mfa '))
  .map((line) => line.slice('npx nestjs-mfa '.length).split(' '));
/** The commands that name this file. */
const about = (file: string) => commands.filter((words) => words.includes(file));

const KEY = { id: '2026-11', secret: randomBytes(32).toString('base64') };
const ENCRYPTION_KEY = randomBytes(32);
const PASSPHRASE = 'a passphrase of the old application';
const env = {
  MFA_KEYS: `${KEY.id}:${KEY.secret}`,
  SECRET_KEY: service.secretKey,
  ENCRYPTION_KEY: ENCRYPTION_KEY.toString('hex'),
  PASSPHRASE,
};

function encrypted(text: string): string {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', ENCRYPTION_KEY, iv);
  return `${iv.toString('hex')}:${cipher.update(text, 'utf8', 'hex')}${cipher.final('hex')}`;
}

let host: HostFolder;
beforeAll(() => {
  host = new HostFolder();
  for (const [file, text] of plans) host.write(file, text);
}, 240_000);
afterAll(() => host.remove());

describe.each(testDatabases)('nestjs-mfa import on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  const run = (words: readonly string[], more: Record<string, string> = {}) =>
    host.run(words, { env: { ...env, ...more } });
  const reportIn = (file: string) => JSON.parse(readFileSync(join(host.path, file), 'utf8')) as MfaImportReport;
  const activeUsers = async () => {
    const rows: { user_id: string }[] = await dataSource.query(
      `SELECT user_id FROM mfa_account WHERE active_ids <> ''`,
    );
    return rows.map(({ user_id }) => user_id).toSorted();
  };
  /** The secret of a user's only authenticator, opened as the application would, in hex. */
  async function secretOf(userId: string): Promise<string> {
    const snapshot = await new TypeOrmAccountStore(dataSource).load(userId);
    const { id, secret } = snapshot!.authenticators[0]!;
    const box = new SecretBox(new KeyRing([KEY]), new SystemRandom());
    return box.open(secret, { purpose: 'totp-secret', userId, credentialId: id }).toString('hex');
  }

  beforeEach(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    host.writeDataSource(database, 'dist/data-source.js');
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('docs/guides/migrating.md: brings the Python service over as the page says, and back', async () => {
    await formerly(database, (old) => createPythonTables(old, Date.now()));
    const [dry, apply] = about('mfa-import.mjs');
    const dryRun = await run(dry!);
    expect(dryRun).toMatchObject({ code: 1, out: blocks('text')[0] });
    expect(await activeUsers()).toEqual([]);
    expect(reportIn('dry-run.json')).toMatchObject({ applied: false, users: { imported: 3 } });

    const imported = await run(apply!);
    expect(imported).toMatchObject({ code: 1, out: expect.stringMatching(/^Imported:\n {2}users {9}3 of 7\n/) });
    expect(await activeUsers()).toEqual(['ada', 'bob', 'grace']);
    expect(reportIn('import.json').skipped).toContainEqual({
      what: 'user',
      userId: 'dan',
      reason: 'secret-undecryptable',
      bad: true,
    });
    expect(await secretOf('ada')).toBe(hexOf(pythonUser('ada').secret));
    expect(await run(about('verify')[0]!)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/2026-11 +3 +17 +writes/),
    });

    const again = await run(apply!);
    expect(again.out).toContain('3 left out: already-imported');
    const exported = await run(['export', 'mfa-import.mjs', '-d', 'dist/data-source.js']);
    expect([exported.code, JSON.parse(exported.out)]).toEqual([0, { backupCodes: [], users: [] }]);
    for (const statement of blocks('sql').join('').split('\n').filter(Boolean)) await dataSource.query(statement);
    expect(await activeUsers()).toEqual([]);
    expect(await run(apply!)).toMatchObject({ out: expect.stringContaining('3 of 7') });
  });

  it('docs/guides/migrating.md: brings columns over as the page says', async () => {
    const secrets = Array.from({ length: 4 }, () => authenticator.generateSecret(20));
    const [plain, aes, cryptojs, json] = secrets as [string, string, string, string];
    const columns = { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' };
    const row = (name: string, column: Value): Value[][] => [[name, column, true]];
    await formerly(database, async (old) => {
      await createTable(
        old,
        'app_user',
        { id: 'VARCHAR(20)', two_factor_secret: 'TEXT', two_factor_confirmed_at: 'TIMESTAMP NULL' },
        [
          ['plain', plain, '2026-10-01 10:00:00'],
          ['unconfirmed', authenticator.generateSecret(), null],
        ],
      );
      await createTable(old, 'app_user_aes', columns, row('aes', encrypted(aes)));
      await createTable(
        old,
        'app_user_cryptojs',
        columns,
        row('cryptojs', CryptoJS.AES.encrypt(cryptojs, PASSPHRASE).toString()),
      );
      await createTable(old, 'app_user_json', { ...columns, secret: 'TEXT', mfa: 'TEXT' }, [
        ['json', null, true, JSON.stringify({ base32: json })],
      ]);
    });
    const documented = [...plans.keys()].filter((file) => file !== 'mfa-import.mjs').flatMap(about);
    expect(documented).toHaveLength(5);
    for (const words of documented) expect(await run(words), words.join(' ')).toMatchObject({ code: 0 });
    expect(await activeUsers()).toEqual(['aes', 'cryptojs', 'json', 'plain']);
    const found = await Promise.all(['plain', 'aes', 'cryptojs', 'json'].map(secretOf));
    expect(found).toEqual(secrets.map(hexOf));
  });

  it('writes nothing under a wrong passphrase or key, and exits with 1', async () => {
    const columns = { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' };
    const rows = Array.from({ length: 20 }, (_, index): Value[] => [
      `user-${index}`,
      CryptoJS.AES.encrypt(authenticator.generateSecret(), PASSPHRASE).toString(),
      true,
    ]);
    await formerly(database, (old) => createTable(old, 'app_user_cryptojs', columns, rows));
    const result = await run(['import', 'import-crypto-js.mjs', '-d', 'dist/data-source.js', '--apply'], {
      PASSPHRASE: 'another',
    });
    expect(result).toMatchObject({ code: 1, out: expect.stringContaining('users         0 of 20') });
    expect(await dataSource.query('SELECT * FROM mfa_account')).toEqual([]);
  });

  it('goes on after Ctrl-C where it stopped', async () => {
    const columns = { id: 'VARCHAR(20)', two_factor_secret: 'TEXT', two_factor_confirmed_at: 'TIMESTAMP NULL' };
    await formerly(database, async (old) => {
      await createTable(old, 'app_user', columns);
      await old.query(
        `INSERT INTO app_user VALUES ${Array.from({ length: 800 }, (_, i) => `('u${i}', 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ', '2026-10-01 10:00:00')`).join()}`,
      );
    });
    const words = ['import', 'import-plain.mjs', '-d', 'dist/data-source.js', '--apply'];
    const first = await host.run(words, {
      env,
      onProgress: (err, interrupt) => err.includes('import 25 %') && interrupt(),
    });
    expect(first).toMatchObject({
      code: 130,
      out: expect.stringContaining('Interrupted. No user is imported in part'),
    });
    const done = (await activeUsers()).length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(800);
    const second = await run(words);
    expect(second).toMatchObject({ code: 0, out: expect.stringContaining(`${done} left out: already-imported`) });
    expect(await activeUsers()).toHaveLength(800);
  });
});

/** RFC 4648 §6, written out, so that nothing of the library judges itself. */
function hexOf(text: string): string {
  const bits = [...text]
    .map((symbol) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0'))
    .join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2))).toString('hex');
}

describe('nestjs-mfa import, given wrongly', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  beforeAll(async () => {
    database = await createDatabase('sqlite');
    dataSource = await openMfaDataSource(database);
    host.writeDataSource(database);
    await formerly(database, (old) =>
      createTable(old, 'app_user', { id: 'VARCHAR(20)', two_factor_secret: 'TEXT', two_factor_confirmed_at: 'TEXT' }, [
        ['ada', 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ', '2026-10-01 10:00:00'],
      ]),
    );
    host.write('no-plan.mjs', 'export default { from: 5 };');
    host.write(
      'typo.mjs',
      `export default { from: { table: 'app_user', columns: { userId: 'id', secret: 'secret', enabled: 'id' } } };`,
    );
    host.write(
      'table.json',
      JSON.stringify({ from: { table: 'users', columns: { userId: 'id', secret: 's', enabled: 'e' } } }),
    );
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  const DATA = ['-d', 'data-source.mjs'];
  it.each<[string, string[], Record<string, string>, RegExp]>([
    ['no plan', ['import', ...DATA], {}, /name one plan file/],
    ['two plans', ['import', 'a.mjs', 'b.mjs', ...DATA], {}, /name one plan file/],
    ['a plan that is not there', ['import', 'nowhere.mjs', ...DATA], {}, /nowhere\.mjs does not exist/],
    ['a plan that is none', ['import', 'no-plan.mjs', ...DATA], {}, /Import plan: `from` must be an object/],
    [
      'a plan without its environment',
      ['import', 'import-aes.mjs', ...DATA],
      {},
      /`secret\.decrypt\.aes\.key` .*environment variable/,
    ],
    ['an unknown flag', ['import', 'import-plain.mjs', ...DATA, '--aply'], {}, /--aply/],
    ['no database', ['import', 'import-plain.mjs'], {}, /No database/],
    [
      'a source that is not there',
      ['import', 'import-plain.mjs', ...DATA, '-s', 'x.mjs'],
      {},
      /--source: the file x\.mjs/,
    ],
    ['no keys', ['import', 'import-plain.mjs', ...DATA], { MFA_KEYS: '' }, /No keys/],
    ['a table that is not there', ['import', 'table.json', ...DATA], {}, /the table "users" does not exist/],
    ['a column that is not there', ['import', 'typo.mjs', ...DATA], {}, /the table "app_user" has no column "secret"/],
    [
      'a report that cannot be written',
      ['import', 'import-plain.mjs', ...DATA, '--apply', '--report', 'no/where.json'],
      {},
      /--report: no\/where\.json cannot be written/,
    ],
  ])('%s: exit code 2, with the remedy, and nothing is written', async (_, words, more, message) => {
    const result = await host.run(words, { env: { MFA_KEYS: env.MFA_KEYS, ...more } });
    expect(result).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) });
    expect(await dataSource.query('SELECT * FROM mfa_account')).toEqual([]);
  });

  it('refuses keys under which the rows there are do not open', async () => {
    const words = ['import', 'import-plain.mjs', ...DATA, '--apply', '--report', 'report.json'];
    const first = await host.run(words, { env });
    expect(first).toMatchObject({
      code: 0,
      err: expect.stringContaining('No row is sealed under the key "2026-11" yet'),
    });
    expect(statSync(join(host.path, 'report.json')).mode & 0o077).toBe(0);
    await formerly(database, (old) => execute(old, 'UPDATE app_user SET id = ?', ['bob']));
    const wrong = { MFA_KEYS: `${KEY.id}:${randomBytes(32).toString('base64')}` };
    expect(await host.run(words, { env: wrong })).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not the one that sealed'),
    });
    expect(await dataSource.query('SELECT user_id FROM mfa_account')).toEqual([{ user_id: 'ada' }]);
  });

  it('reads the old tables from another database', async () => {
    const other = await createDatabase('sqlite');
    try {
      host.writeDataSource(other, 'old.mjs');
      await formerly(other, (old) =>
        createTable(
          old,
          'app_user',
          { id: 'VARCHAR(20)', two_factor_secret: 'TEXT', two_factor_confirmed_at: 'TEXT' },
          [['elsewhere', 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ', '2026-10-01 10:00:00']],
        ),
      );
      const words = ['import', 'import-plain.mjs', ...DATA, '--source', 'old.mjs', '--apply'];
      expect(await host.run(words, { env })).toMatchObject({ code: 0, out: expect.stringContaining('1 of 1') });
    } finally {
      await other.drop();
    }
  });
});
