import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import type { DueQuery } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { MfaPolicySeenEntity } from '../../libs/mfa/src/persistence/entities/index.js';
import { TypeOrmAccountStore, TypeOrmPolicySeenStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { EXPLAIN, keepingStatements, numbersTo } from './many-rows.js';

const USERS = 50_000;
const NOW = 1_800_000_000_000;

const NUMBERS = numbersTo(USERS);

describe.each(testDatabases)('the list of users who are due, of many, on %s', (kind) => {
  let database: TestDatabase;
  let source: DataSource;
  const sent: { text: string; parameters: unknown[] | undefined }[] = [];

  /** Two policies with the same users. Nine of ten users have a factor. */
  beforeAll(async () => {
    database = await createDatabase(kind);
    source = await openMfaDataSource(database, keepingStatements(sent));
    await new TypeOrmAccountStore(source).open('template', NOW);
    const columns = Object.keys((await source.query('SELECT * FROM mfa_account'))[0]);
    const given: Record<string, string> = {
      user_id: kind === 'mariadb' ? "CONCAT('user-', n.i)" : "'user-' || n.i",
      active_ids: "CASE WHEN n.i % 10 = 0 THEN '' ELSE 'totp:3f0c5b1e-9d5e-4a7f-8e55-2b1d6b1f0a11' END",
    };
    const values = columns.map((name) => given[name] ?? `a.${name}`);
    const copy = `SELECT ${values.join()} FROM mfa_account a CROSS JOIN ${NUMBERS[kind]}`;
    await source.query(`INSERT INTO mfa_account (${columns.join()}) ${copy} WHERE a.user_id = 'template'`);
    for (const policy of ['required', 'other']) {
      await source.query(`INSERT INTO mfa_policy_seen (user_id, policy_id, first_seen_at)
        SELECT ${given.user_id}, '${policy}', ${NOW} + n.i * 7919 % ${USERS} FROM ${NUMBERS[kind]}`);
    }
    await source.query(kind === 'mariadb' ? 'ANALYZE TABLE mfa_account, mfa_policy_seen' : 'ANALYZE');
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const after = { userId: 'user-7', firstSeenAtMs: NOW + 20_000 };
  it.each<[string, Partial<DueQuery>]>([
    ['the first page', {}],
    ['a later page', { after }],
    ['a later page of users without some methods', { after, methods: ['passkey', 'totp'] }],
  ])('is read in the order of the index, without a sort, for %s', async (_, query) => {
    const due = { policyId: 'required', seenBeforeMs: NOW + USERS, after: null, limit: 100, methods: null, ...query };
    sent.length = 0;
    const listed = await new TypeOrmPolicySeenStore(source).listDue(due);
    expect(listed).toHaveLength(100);
    const [{ text, parameters } = { text: '', parameters: [] }, ...more] = sent;
    expect(more).toEqual([]);

    const plan = JSON.stringify(await source.query(`${EXPLAIN[kind]} ${text}`, parameters));
    const { tableName, indices } = source.getMetadata(MfaPolicySeenEntity);
    const columns = indices[0]!.columns.map(({ databaseName }) => databaseName);
    const index = source.namingStrategy.indexName(tableName, columns);
    expect(columns).toEqual(['policy_id', 'first_seen_at', 'user_id']);
    // MariaDB takes `range` where it expects to read less than half of the policy.
    const access = {
      sqlite: new RegExp(`SEARCH p USING COVERING INDEX ${index} \\(policy_id=\\? AND first_seen_at`),
      postgres: new RegExp(`Index Only Scan using \\\\"${index}\\\\" on mfa_policy_seen p`),
      mariadb: new RegExp(
        `table_name\\\\":\\s*\\\\"p\\\\",[^}]*access_type\\\\":\\s*\\\\"(ref|range)\\\\"[^}]*key\\\\":\\s*\\\\"${index}`,
      ),
    };
    expect(plan.replaceAll('\\n', ' ')).toMatch(access[kind]);
    expect(plan).not.toMatch(/Sort|filesort|TEMP B-TREE|Seq Scan|SCAN p/);
  });
});
