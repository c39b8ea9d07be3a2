import { authenticator } from 'otplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { createDatabase, testDatabases } from '../support/databases.js';
import { dumpTables, startHostApp, type HostApp } from '../support/host-app.js';
import { importInto } from './importing.js';
import { createTable, formerly, type Value } from './source-tables.js';

const planOf = (table: string, columns: object = {}) => ({
  from: { table, columns: { userId: 'id', secret: 'secret', enabled: 'enabled', ...columns } },
});
const COLUMNS = { id: 'VARCHAR(40)', secret: 'TEXT', enabled: 'BOOLEAN' };
const userRow = (id: Value): Value[] => [id, authenticator.generateSecret(), true];

describe.each(testDatabases)('tables of the source on %s', (kind) => {
  let host: HostApp;
  const make = (name: string, columns: Record<string, string>, rows: Value[][]) =>
    formerly(host.database, (dataSource) => createTable(dataSource, name, columns, rows));
  const run = (text: string) => formerly(host.database, async (dataSource) => void (await dataSource.query(text)));

  beforeAll(async () => {
    host = await startHostApp({ database: kind });
    await make('customers', COLUMNS, [userRow('ada'), userRow('bob')]);
  });
  afterAll(() => host.close());

  it.each([
    ['a table that is not there', planOf('kustomers'), /table "kustomers" does not exist/],
    [
      'a column that is not there',
      planOf('customers', { secret: 'sekret' }),
      /table "customers" has no column "sekret"/,
    ],
    ['a user column that is not there', planOf('customers', { userId: 'uid' }), /has no column "uid"/],
    [
      'codes that are not there',
      { ...planOf('customers'), backupCodes: { table: 'codes', columns: { userId: 'u', hash: 'h', usedAt: 'x' } } },
      /table "codes" does not exist/,
    ],
    [
      'usage without its column',
      { ...planOf('customers'), usage: { table: 'customers', columns: { userId: 'id', window: 'window' } } },
      /table "customers" has no column "window"/,
    ],
  ])('%s ends it by name, before anything is written', async (_, plan, message) => {
    await expect(importInto(host, plan)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(message),
    });
    for (const rows of Object.values(await dumpTables(host))) expect(rows).toEqual([]);
  });

  it('several rows of one user end it, before anything is written', async () => {
    await make('devices', COLUMNS, [userRow('ada'), userRow('bob'), userRow('ada')]);
    await expect(importInto(host, planOf('devices'))).rejects.toThrow(/"devices" has several rows of one "id"/);
    for (const rows of Object.values(await dumpTables(host))) expect(rows).toEqual([]);
  });

  it('reads every user once, over several pages, whatever order they were added in', async () => {
    const ids = Array.from({ length: 450 }, (_, index) => `page-${(index * 7919) % 450}`);
    await make('many', COLUMNS, ids.map(userRow));
    const progress: number[][] = [];
    expect(await importInto(host, planOf('many'), { onProgress: (...done) => void progress.push(done) })).toMatchObject(
      {
        ok: true,
        users: { read: 450, imported: 450 },
      },
    );
    expect(progress).toEqual([
      [200, 450],
      [400, 450],
      [450, 450],
    ]);
    const { mfa_account } = await dumpTables(host);
    const imported = mfa_account!
      .map((row) => (row as { user_id: string }).user_id)
      .filter((id) => id.startsWith('page-'));
    expect(imported.toSorted()).toEqual(ids.toSorted());
  });

  it('reads ids that are numbers, with codes that name them', async () => {
    await make('numbered', { ...COLUMNS, id: 'BIGINT' }, [userRow(1000), userRow(9), userRow(10_000_000_000)]);
    await make('numbered_codes', { person: 'BIGINT', hash: 'TEXT', used: 'BOOLEAN' }, [[9, '$2b$10$x', false]]);
    const backupCodes = { table: 'numbered_codes', columns: { userId: 'person', hash: 'hash', usedAt: 'used' } };
    const report = await importInto(host, { ...planOf('numbered'), backupCodes });
    expect(report.users).toMatchObject({ read: 3, imported: 3 });
    expect(report.skipped).toEqual([{ what: 'backup-code', userId: '9', reason: 'not-argon2id', bad: true }]);
    const { mfa_account } = await dumpTables(host);
    const ids = mfa_account!.map((row) => (row as { user_id: string }).user_id);
    expect(ids).toEqual(expect.arrayContaining(['1000', '9', '10000000000']));
  });

  it('tells of rows that name nobody, and of codes of nobody', async () => {
    await make('nameless', COLUMNS, [userRow('somebody'), userRow(null), userRow(null)]);
    await make('stray_codes', { person: 'VARCHAR(20)', hash: 'TEXT', used: 'BOOLEAN' }, [
      ['nobody', '$argon2id$', false],
    ]);
    const backupCodes = { table: 'stray_codes', columns: { userId: 'person', hash: 'hash', usedAt: 'used' } };
    expect(await importInto(host, { ...planOf('nameless'), backupCodes })).toMatchObject({
      ok: false,
      users: { read: 3, imported: 1, skipped: { 'user-id-unusable': 2 } },
      backupCodes: { skipped: { 'without-user': 1 } },
    });
  });

  it('reads a view, and words of the language for names', async () => {
    await make('order', { user: 'VARCHAR(40)', select: 'TEXT', from: 'TEXT' }, [
      ['viewed', authenticator.generateSecret(), '2026-11-01 08:15:00'],
    ]);
    const quote = (name: string) => host.dataSource.driver.escape(name);
    await run(
      `CREATE VIEW factors AS SELECT ${quote('user')}, ${quote('select')}, ${quote('from')} FROM ${quote('order')}`,
    );
    for (const [table, expected] of [
      ['order', 'imported'],
      ['factors', 'already-imported'],
    ] as const) {
      const report = await importInto(host, planOf(table, { userId: 'user', secret: 'select', enabled: 'from' }));
      expect(expected === 'imported' ? report.users.imported : report.users.skipped['already-imported']).toBe(1);
    }
  });

  it('reads a table of another schema by its qualified name', async () => {
    const schema = { sqlite: 'main', postgres: 'public', mariadb: String(host.database.options.database) }[kind];
    await make('qualified', COLUMNS, [userRow('qualified')]);
    expect(await importInto(host, planOf(`${schema}.qualified`))).toMatchObject({ ok: true, users: { imported: 1 } });
    await expect(importInto(host, planOf('elsewhere.qualified'))).rejects.toThrow(
      /"elsewhere.qualified" does not exist/,
    );
  });

  it('reads from another database, and writes nothing to it', async () => {
    const other = await createDatabase('sqlite');
    try {
      await formerly(other, (dataSource) => createTable(dataSource, 'customers', COLUMNS, [userRow('elsewhere')]));
      await formerly(other, async (from: DataSource) => {
        expect(await importInto(host, planOf('customers'), { from })).toMatchObject({
          ok: true,
          users: { imported: 1 },
        });
        expect(await from.query(`SELECT name FROM sqlite_master WHERE type = 'table'`)).toEqual([
          { name: 'customers' },
        ]);
      });
    } finally {
      await other.drop();
    }
  });
});
