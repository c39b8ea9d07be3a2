import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DataSource } from 'typeorm';
import { rememberGalera } from '../../libs/mfa/src/persistence/stores/galera.js';
import { checkSchema } from '../../libs/mfa/src/persistence/schema-check.js';
import { TypeOrmAccountStore, TypeOrmUsageStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const NOW = 1_800_000_000_000;
const ON = { Variable_name: 'wsrep_on', Value: 'ON' };
const spending = (item: string, securityStamp = NOW) => ({
  userId: 'anna',
  securityStamp,
  entries: [{ kind: 'totp', item, expiresAtMs: NOW } as const],
  nowMs: NOW,
});

/** The statements of a cluster on a single server. The race between nodes is in test/galera, outside of CI. */
describe.runIf(testDatabases.includes('mariadb'))('a Galera cluster', () => {
  let database: TestDatabase;
  let source: DataSource;
  beforeEach(async () => {
    database = await createDatabase('mariadb');
    source = await openMfaDataSource(database);
    await new TypeOrmAccountStore(source).open('anna', NOW);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await source.destroy();
    await database.drop();
  });

  /** Statements that begin so find these rows, as on a node of a cluster. */
  function answer(statement: string, rows: object[]) {
    const asked: string[] = [];
    const create = source.createQueryRunner.bind(source);
    vi.spyOn(source, 'createQueryRunner').mockImplementation((mode) => {
      const runner = create(mode);
      const query = runner.query.bind(runner) as (...given: unknown[]) => Promise<unknown>;
      runner.query = (async (...given: unknown[]) => {
        const result = await query(...given);
        if (!String(given[0]).startsWith(statement)) return result;
        asked.push(String(given[0]));
        return given[2] === true ? Object.assign(result as object, { raw: rows, records: rows }) : rows;
      }) as never;
      return runner;
    });
    return asked;
  }

  const accountRow = async () => (await source.query('SELECT * FROM mfa_account'))[0];

  it('S43 changes the account row with every spending, so that a change on another node excludes it', async () => {
    rememberGalera(source, [ON]);
    const before = await accountRow();
    expect(await new TypeOrmUsageStore(source).spend(spending('x'))).toBe(true);
    const after = await accountRow();
    expect(after).not.toEqual(before);
    expect({ ...after, confirmation_daily_tat: before.confirmation_daily_tat }).toEqual(before);
  });

  it('S27 S29 S43 spends a code once, and only under the security stamp of the account', async () => {
    rememberGalera(source, [ON]);
    const usage = new TypeOrmUsageStore(source);
    const won = await Promise.all(Array.from({ length: 20 }, () => usage.spend(spending('x'))));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await usage.spend(spending('y', NOW + 1))).toBe(false);
    expect(await usage.spend({ ...spending('y'), backupSetId: 'other' })).toBe(false);
    expect(await usage.list('anna')).toHaveLength(1);
  });

  it('S104 spends a recovery code only while the account has it', async () => {
    rememberGalera(source, [ON]);
    const usage = new TypeOrmUsageStore(source);
    await new TypeOrmAccountStore(source).commit('anna', NOW, { recovery: { hash: 'live', expiresAtMs: NOW } });
    const before = await accountRow();
    expect(await usage.spend({ ...spending('x'), recoveryHash: 'other' })).toBe(false);
    expect(await accountRow()).toEqual(before);
    expect(await usage.spend({ ...spending('x'), recoveryHash: 'live' })).toBe(true);
  });

  it('S43 asks the server once, at the first spending, whether it is in a cluster', async () => {
    const asked = answer('SHOW VARIABLES', [ON]);
    const usage = new TypeOrmUsageStore(source);
    const before = await accountRow();
    expect(await usage.spend(spending('x'))).toBe(true);
    const between = await accountRow();
    expect(between).not.toEqual(before);
    expect(await usage.spend(spending('y'))).toBe(true);
    expect(await accountRow()).not.toEqual(between);
    expect(asked).toEqual([expect.stringContaining('wsrep_on')]);
  });

  it('S43 uses the statements for a cluster when the check at start has found one', async () => {
    answer('SHOW SESSION VARIABLES', [ON, { Variable_name: 'wsrep_sync_wait', Value: '7' }]);
    await checkSchema(source, { warn: () => undefined });
    vi.restoreAllMocks();
    const before = await accountRow();
    expect(await new TypeOrmUsageStore(source).spend(spending('x'))).toBe(true);
    expect(await accountRow()).not.toEqual(before);
  });

  it('S27 does not change the account row on a server without a cluster', async () => {
    const before = await accountRow();
    expect(await new TypeOrmUsageStore(source).spend(spending('x'))).toBe(true);
    expect(await accountRow()).toEqual(before);
  });

  it.each([
    ['0', [expect.stringMatching(/Galera cluster without `wsrep_sync_wait`.*wsrep_sync_wait = 1/s)]],
    ['1', []],
    ['6', [expect.stringMatching(/wsrep_sync_wait/)]],
    ['7', []],
  ])('S43a warns at start when reads can miss commits of another node: wsrep_sync_wait=%s', async (wait, warnings) => {
    answer('SHOW SESSION VARIABLES', [ON, { Variable_name: 'wsrep_sync_wait', Value: wait }]);
    const logger = { warn: vi.fn<(message: string) => void>() };
    await checkSchema(source, logger);
    expect(logger.warn.mock.calls.map(([message]) => message)).toEqual(warnings);
  });
});
