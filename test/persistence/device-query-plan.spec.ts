import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { MfaDeviceEntity } from '../../libs/mfa/src/persistence/entities/index.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { device, type Stores } from './rows.js';
import { EXPLAIN, keepingStatements, numbersTo } from './many-rows.js';

const USERS = 20_000;
const NOW = 1_800_000_000_000;

const NUMBERS = numbersTo(USERS);

describe.each(testDatabases)('the statements on many trusted devices on %s', (kind) => {
  let database: TestDatabase;
  let source: DataSource;
  let stores: Stores;
  const sent: { text: string; parameters: unknown[] | undefined }[] = [];
  const one = device('user-7');

  /** Three devices of each user. */
  beforeAll(async () => {
    database = await createDatabase(kind);
    source = await openMfaDataSource(database, keepingStatements(sent));
    stores = typeOrmStores(source);
    await stores.accounts.open('user-8', NOW);
    await stores.devices.add(device('template'));
    const columns = Object.keys((await source.query('SELECT * FROM mfa_device'))[0]);
    const text = (...parts: string[]) => (kind === 'mariadb' ? `CONCAT(${parts.join()})` : parts.join(' || '));
    for (const each of ["'a'", "'b'", "'c'"]) {
      const given: Record<string, string> = {
        id: text(each, 'n.i'),
        user_id: text("'user-'", 'n.i'),
        lookup_hash: text(each, 'n.i'),
        expires_at: `${NOW} + n.i`,
      };
      const values = columns.map((name) => given[name] ?? `d.${name}`);
      const copy = `SELECT ${values.join()} FROM mfa_device d CROSS JOIN ${NUMBERS[kind]}`;
      await source.query(`INSERT INTO mfa_device (${columns.join()}) ${copy} WHERE d.user_id = 'template'`);
    }
    await source.query(kind === 'mariadb' ? 'ANALYZE TABLE mfa_device' : 'ANALYZE');
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const OF_USER = ['user_id', 'lookup_hash'];
  const CALLS: [string, string[], (of: Stores) => Promise<unknown>][] = [
    ['find', OF_USER, ({ devices }) => devices.find('user-7', 'a7')],
    ['list', OF_USER, ({ devices }) => devices.list('user-7')],
    ['trim', OF_USER, ({ devices }) => devices.trim(one, { max: 10, nowMs: NOW })],
    ['removeAll', OF_USER, ({ devices }) => devices.removeAll('user-7')],
    ['purge', ['expires_at'], ({ devices }) => devices.purge(NOW + 10, 5)],
    ['the read of a login', OF_USER, ({ accounts }) => accounts.loadForLogin('user-8', undefined, 'a8')],
  ];

  it.each(CALLS)('read the table by an index for %s', async (_, columns, call) => {
    sent.length = 0;
    await call(stores);
    const [{ text, parameters } = { text: '', parameters: [] }, ...more] = sent;
    expect(more).toEqual([]);

    const plan = JSON.stringify(await source.query(`${EXPLAIN[kind]} ${text}`, parameters)).replaceAll(/\\n?/g, '');
    const { tableName } = source.getMetadata(MfaDeviceEntity);
    expect(plan).toContain(source.namingStrategy.indexName(tableName, columns));
    expect(plan).not.toMatch(/Seq Scan on mfa_device|SCAN (d|mfa_device)\b/);
    expect(plan).not.toMatch(/table_name": "(d|mfa_device)",[^}]*access_type": "(ALL|index)"/);
  });
});
