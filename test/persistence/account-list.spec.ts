import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import type { AccountListQuery, ListedColumn } from '../../libs/mfa/src/domain/accounts/account-list.store.js';
import { MfaAccountEntity } from '../../libs/mfa/src/persistence/entities/index.js';
import { TypeOrmAccountListStore, TypeOrmAccountStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { EXPLAIN, keepingStatements, numbersTo } from './many-rows.js';

/** `MFA_LISTED_USERS=1000000 npx vitest run …` looks at the plans, and shows the times, for a million accounts. */
const USERS = Number(process.env.MFA_LISTED_USERS ?? 50_000);
const NOW = 1_800_000_000_000;
/** The greatest value of a column of type `int`. */
const MOST_COUNT = 2_147_483_647;

const NUMBERS = numbersTo(USERS);

/** One user in ten meets each criterion, and some of them share a value. Every second user has MFA. */
const GIVEN = {
  active_ids: "CASE WHEN n.i % 2 = 0 THEN 'totp:3f0c5b1e-9d5e-4a7f-8e55-2b1d6b1f0a11' ELSE '' END",
  backup_codes_left: 'CASE WHEN n.i % 2 = 1 THEN NULL WHEN n.i % 10 = 0 THEN n.i % 3 ELSE 8 END',
  locked_until: `CASE WHEN n.i % 10 = 1 THEN ${NOW} + n.i % 1000 * 7919 % 1000 WHEN n.i % 10 = 2 THEN ${NOW} - 5 ELSE 0 END`,
  most_failures: 'CASE WHEN n.i % 10 = 3 THEN 100 + n.i % 7 WHEN n.i % 10 = 4 THEN 2 ELSE 0 END',
  must_enroll_since: `CASE WHEN n.i % 10 = 5 THEN ${NOW} - n.i % 1000 * 7919 % 1000 ELSE NULL END`,
};

const LISTS: [ListedColumn, string, Partial<AccountListQuery>][] = [
  ['lockedUntilMs', 'locked_until', { atLeast: NOW + 1 }],
  ['mostFailures', 'most_failures', { atLeast: 100 }],
  ['backupCodesLeft', 'backup_codes_left', { atLeast: 0, atMost: 1 }],
  ['mustEnrollSinceMs', 'must_enroll_since', { atLeast: 0 }],
];

describe.each(testDatabases)('the lists of administrators, of many users, on %s', (kind) => {
  let database: TestDatabase;
  let source: DataSource;
  const sent: { text: string; parameters: unknown[] | undefined }[] = [];

  beforeAll(async () => {
    database = await createDatabase(kind);
    source = await openMfaDataSource(database, keepingStatements(sent));
    await new TypeOrmAccountStore(source).open('template', NOW);
    const columns = Object.keys((await source.query('SELECT * FROM mfa_account'))[0]);
    const userId = kind === 'mariadb' ? "CONCAT('user-', n.i)" : "'user-' || n.i";
    const given: Record<string, string> = { user_id: userId, ...GIVEN };
    const values = columns.map((name) => given[name] ?? `a.${name}`);
    const copy = `SELECT ${values.join()} FROM mfa_account a CROSS JOIN ${NUMBERS[kind]}`;
    await source.query(`INSERT INTO mfa_account (${columns.join()}) ${copy} WHERE a.user_id = 'template'`);
    await source.query("DELETE FROM mfa_account WHERE user_id = 'template'");
    await source.query(kind === 'mariadb' ? 'ANALYZE TABLE mfa_account' : 'ANALYZE');
  }, 600_000);
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const list = (query: Partial<AccountListQuery>) =>
    new TypeOrmAccountListStore(source).list({ after: null, limit: 101, ...query } as AccountListQuery);

  it.each(LISTS)('reads each user by %s once, page by page, in order', async (column, name, range) => {
    const bounds = `${name} >= ${range.atLeast} AND ${name} <= ${range.atMost ?? Number.MAX_SAFE_INTEGER}`;
    const rows: { user_id: string }[] = await source.query(`SELECT user_id FROM mfa_account WHERE ${bounds}`);
    const found: { value: number; userId: string }[] = [];
    for (let after = null as AccountListQuery['after']; ; after = found.at(-1)!) {
      const page = await list({ column, ...range, after, limit: USERS > 50_000 ? 1000 : 297 });
      if (page.length === 0) break;
      found.push(...page.map(({ value, userId }) => ({ value, userId })));
    }
    expect(found.length).toBeGreaterThan(USERS / 200);
    expect(found.map(({ userId }) => userId).toSorted()).toEqual(rows.map(({ user_id }) => user_id).toSorted());
    expect(found).toEqual(found.toSorted((a, b) => a.value - b.value || (a.userId < b.userId ? -1 : 1)));
  });

  const pages = LISTS.flatMap(([column, name, range]) => [
    [`the first page by ${name}`, column, name, range] as const,
    [`a later page by ${name}`, column, name, { ...range, after: 'middle' }] as const,
  ]);
  it.each(pages)('is read in the order of the index, without a sort, for %s', async (_, column, name, range) => {
    const { after: place, ...bounds } = range as Partial<AccountListQuery> & { after?: 'middle' };
    const first = await list({ column, ...bounds, limit: 60 });
    const after = place === 'middle' ? { value: first.at(-1)!.value, userId: first.at(-1)!.userId } : null;
    sent.length = 0;
    const startedAt = performance.now();
    const listed = await list({ column, ...bounds, after });
    const tookMs = performance.now() - startedAt;
    expect(listed).toHaveLength(101);
    const [{ text, parameters } = { text: '', parameters: [] }, ...more] = sent;
    expect(more).toEqual([]);

    const plan = JSON.stringify(await source.query(`${EXPLAIN[kind]} ${text}`, parameters)).replaceAll('\\n', ' ');
    if (process.env.MFA_LISTED_USERS) console.log(`${kind} ${_}: ${tookMs.toFixed(1)} ms\n${plan}`);
    const { tableName } = source.getMetadata(MfaAccountEntity);
    const index = source.namingStrategy.indexName(tableName, [name, 'user_id']);
    const access = {
      sqlite: new RegExp(`SEARCH a USING INDEX ${index} \\(${name}>`),
      postgres: new RegExp(`Index Scan using \\\\"${index}\\\\" on mfa_account a`),
      mariadb: new RegExp(`access_type\\\\":\\s*\\\\"range\\\\"[^}]*key\\\\":\\s*\\\\"${index}`),
    };
    expect(plan).toMatch(access[kind]);
    expect(plan).not.toMatch(/Sort|filesort|TEMP B-TREE|Seq Scan|SCAN a/);
  });

  it.each(LISTS)('keeps the range of %s after a place below it', async (column, _, range) => {
    const after = { value: range.atLeast! - 99, userId: '0' };
    expect(await list({ column, ...range, after, limit: 30 })).toEqual(await list({ column, ...range, limit: 30 }));
  });

  it.each([
    ['lockedUntilMs', Number.MAX_SAFE_INTEGER],
    ['mustEnrollSinceMs', Number.MAX_SAFE_INTEGER],
    ['mostFailures', MOST_COUNT],
    ['backupCodesLeft', MOST_COUNT],
  ] as const)('is empty after the greatest place that a cursor by %s can name', async (column, value) => {
    expect(await list({ column, atLeast: 0, after: { value, userId: '\u{1F600}' } })).toEqual([]);
  });

  it('leaves out accounts that were moved to another user id', async () => {
    for (const [column, , range] of LISTS) {
      const [first, second] = await list({ column, ...range, limit: 2 });
      await source.query(`UPDATE mfa_account SET active_ids = 'moved-to:1' WHERE user_id = '${first!.userId}'`);
      expect(await list({ column, ...range, limit: 1 })).toEqual([second]);
    }
  });
});
