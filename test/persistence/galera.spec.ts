import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DataSource } from 'typeorm';
import { rememberGalera } from '../../libs/mfa/src/persistence/galera.js';
import { checkSchema } from '../../libs/mfa/src/persistence/schema-check.js';
import { TypeOrmAccountStore, TypeOrmUsageStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const NOW = 1_800_000_000_000;
const ON = { Variable_name: 'wsrep_on', Value: 'ON' };
const spending = (item: string, epoch = NOW) => ({
  userId: 'anna',
  epoch,
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

  const accountRow = async () => (await source.query('SELECT * FROM mfa_account'))[0];

  it('S43 changes the account row with every spending, so that a change on another node excludes it', async () => {
    rememberGalera(source, [ON]);
    const before = await accountRow();
    expect(await new TypeOrmUsageStore(source).spend(spending('x'))).toBe(true);
    const after = await accountRow();
    expect(after).not.toEqual(before);
    expect({ ...after, confirmation_tat: before.confirmation_tat }).toEqual(before);
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

  it('S27 leaves the account row alone on a server that is in no cluster', async () => {
    const before = await accountRow();
    expect(await new TypeOrmUsageStore(source).spend(spending('x'))).toBe(true);
    expect(await accountRow()).toEqual(before);
  });

  it.each([
    ['0', [expect.stringMatching(/Galera cluster without `wsrep_sync_wait`.*wsrep_sync_wait = 1/s)]],
    ['1', []],
    ['6', [expect.stringMatching(/wsrep_sync_wait/)]],
    ['7', []],
  ])(
    'S43a warns at start of reads that miss what another node committed: wsrep_sync_wait=%s',
    async (wait, warnings) => {
      const create = source.createQueryRunner.bind(source);
      vi.spyOn(source, 'createQueryRunner').mockImplementation((mode) => {
        const runner = create(mode);
        const query = runner.query.bind(runner) as (...given: unknown[]) => Promise<unknown>;
        runner.query = (async (...given: unknown[]) => {
          const rows = await query(...given);
          const isSettings = String(given[0]).startsWith('SHOW SESSION VARIABLES');
          return isSettings ? [ON, { Variable_name: 'wsrep_sync_wait', Value: wait }] : rows;
        }) as never;
        return runner;
      });
      const logger = { warn: vi.fn<(message: string) => void>() };
      await checkSchema(source, logger);
      expect(logger.warn.mock.calls.map(([message]) => message)).toEqual(warnings);
    },
  );
});
