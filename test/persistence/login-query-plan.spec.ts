import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { dialectOf, render } from '../../libs/mfa/src/persistence/statements/sql.js';
import { MfaAccountEntity } from '../../libs/mfa/src/persistence/entities/index.js';
import { snapshotQuery } from '../../libs/mfa/src/persistence/stores/account-sql.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';

describe.each(testDatabases)('the read of a login on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    for (let from = 0; from < 3000; from += 500) {
      const zeros = Array(12).fill('0').join();
      const rows = Array.from({ length: 500 }, (_, i) => `('user-${from + i}', 1, 1, '', ${zeros})`);
      const budgets = ['totp', 'backup_code', 'password', 'confirmation'].flatMap((factor) =>
        ['failures', 'locked_until', 'daily_tat'].map((column) => `${factor}_${column}`),
      );
      await dataSource.query(
        `INSERT INTO mfa_account (user_id, security_stamp, row_version, active_ids, ${budgets.join()}) VALUES ${rows.join()}`,
      );
    }
    await dataSource.query(kind === 'mariadb' ? 'ANALYZE TABLE mfa_account' : 'ANALYZE');
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it.each([
    ['one case', {}],
    ['two cases', { lowerCaseId: 'user-7' }],
  ])('S78 finds an id in %s by the primary key, without reading the table', async (_, lower) => {
    const statement = render(
      snapshotQuery({ userId: 'user-8', ...lower, rows: 'authenticators' }),
      dialectOf(dataSource),
    );
    const explain = { sqlite: 'EXPLAIN QUERY PLAN', postgres: 'EXPLAIN', mariadb: 'EXPLAIN FORMAT=JSON' }[kind];
    const plan = JSON.stringify(await dataSource.query(`${explain} ${statement.text}`, statement.parameters));
    const { tableName, primaryColumns } = dataSource.getMetadata(MfaAccountEntity);
    const columns = primaryColumns.map(({ databaseName }) => databaseName);
    const primaryKey = dataSource.namingStrategy.primaryKeyName(tableName, columns);
    const accesses = {
      sqlite: /SEARCH a USING (COVERING )?INDEX/,
      postgres: new RegExp(`(Index Scan using|Bitmap Index Scan on) \\\\"${primaryKey}\\\\"`),
      mariadb: /table_name\\":\s*\\"a\\",[^}]*access_type\\":\s*\\"(range|const|ref|eq_ref)/,
    };
    expect(plan).toMatch(accesses[kind]);
    expect(plan).not.toMatch(/Seq Scan on mfa_account a|SCAN a\b/);
  });
});
